#include <algorithm>
#include <bit>
#include <limits>
#include <string>

#include "core/shape.h"
#include "cuda/rows/move_rows_kernel.cuh"
#include "cuda/rows/rows.h"
#include "cuda/weight.h"

namespace qavit::cuda {

namespace {

MoveRows describe(const View& from, const View& to, RowSource source, const View& index) {
  MoveRows p;
  p.from = from.data;
  p.to = to.data;
  p.from_dtype = from.dtype;
  p.to_dtype = to.dtype;
  p.from_batch_stride = from.batch_stride;
  p.from_row_stride = from.row_stride;
  p.to_batch_stride = to.batch_stride;
  p.to_row_stride = to.row_stride;
  p.source = source;
  p.index = static_cast<const int32_t*>(index.data);
  p.rows = static_cast<uint32_t>(to.batch * to.rows);
  p.batch_rows = static_cast<uint32_t>(to.rows);
  p.width = static_cast<int>(to.cols);
  return p;
}

View view_of(const Weight* table) {
  const CudaWeight& weight = *cuda_weight(table);
  View view;
  view.data = const_cast<void*>(weight.data);
  view.dtype = weight.dtype;
  view.batch = 1;
  view.rows = weight.shape[1];
  view.cols = weight.shape[2];
  view.row_stride = weight.shape[2];  // dense (weight.h)
  return view;
}

Status supports_rows(const View& to, const char* where) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max() - kMoveThreads * kRun;
  if (to.batch * to.rows <= kMost && to.cols <= kMost) return Status();
  return expected(ErrorCode::kUnsupported, "at most " + std::to_string(kMost) + " rows and columns", where,
                  to_string(shape_of(to)));
}

Status move_rows(const Launch& context, const char* where, const View& from, const View& to, RowSource source,
                 const View& index) {
  const MoveRows p = describe(from, to, source, index);
  const bool runs = moves_in_runs(from, kRun) && moves_in_runs(to, kRun);
  const auto steps = static_cast<unsigned>(runs ? (p.width + kRun - 1) / kRun : p.width);
  const unsigned along = std::min<unsigned>(std::bit_ceil(steps), kMoveThreads);
  const dim3 block(along, kMoveThreads / along);
  const dim3 grid((p.rows + block.y - 1) / block.y);
  return runs ? launch(context, where, move_rows_kernel<kRun>, grid, block, 0, p)
              : launch(context, where, move_rows_kernel<1>, grid, block, 0, p);
}

}  // namespace

Status supports(const DeviceProperties&, const GatherRowsParams& p) { return supports_rows(p.out, "gather_rows"); }

size_t workspace_bytes(const DeviceProperties&, const GatherRowsParams&) { return 0; }

Status run(const Launch& context, const GatherRowsParams& p) {
  constexpr const char* kWhere = "gather_rows";
  if (p.table != nullptr) return move_rows(context, kWhere, view_of(p.table), p.out, RowSource::kTable, p.index);
  return move_rows(context, kWhere, p.source, p.out, RowSource::kEntry, p.index);
}

Status supports(const DeviceProperties&, const CopyParams& p) { return supports_rows(p.y, "copy"); }

size_t workspace_bytes(const DeviceProperties&, const CopyParams&) { return 0; }

Status run(const Launch& context, const CopyParams& p) {
  return move_rows(context, "copy", p.x, p.y, RowSource::kSame, View());
}

}  // namespace qavit::cuda
