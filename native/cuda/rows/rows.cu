#include "cuda/device/rounding.h"
#include "cuda/device/runs.h"
#include "cuda/rows/move_rows_kernel.cuh"
#include "cuda/rows/row_operands.h"
#include "cuda/rows/rows.h"
#include "cuda/weight.h"

namespace qavit::cuda {

namespace {

// Rows [0, rows) of every entry of `to` where there is no position.
MoveRows describe(const View& from, const View& to, int64_t rows, RowSource source, const View& index,
                  const View& position) {
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
  p.position = static_cast<const int32_t*>(position.data);
  p.rows = static_cast<uint32_t>(to.batch * rows);
  p.batch_rows = static_cast<uint32_t>(rows);
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

Status move_rows(const Launch& context, const char* where, const MoveRows& p, const View& from, const View& to) {
  const bool runs = moves_in_runs(from, kRun) && moves_in_runs(to, kRun);
  const auto [grid, block] = row_grid(p.rows, static_cast<uint32_t>(runs ? ceil_div(p.width, kRun) : p.width));
  return runs ? launch(context, where, move_rows_kernel<kRun>, grid, block, 0, p)
              : launch(context, where, move_rows_kernel<1>, grid, block, 0, p);
}

}  // namespace

Status supports(const DeviceProperties&, const GatherRowsParams& p) { return supports_rows(p.out, "gather_rows"); }

size_t workspace_bytes(const DeviceProperties&, const GatherRowsParams&) { return 0; }

Status run(const Launch& context, const GatherRowsParams& p) {
  constexpr const char* kWhere = "gather_rows";
  const View from = p.table != nullptr ? view_of(p.table) : p.source;
  const RowSource source = p.table != nullptr ? RowSource::kTable : RowSource::kEntry;
  return move_rows(context, kWhere, describe(from, p.out, p.out.rows, source, p.index, View()), from, p.out);
}

Status supports(const DeviceProperties&, const AppendRowsParams& p) { return supports_rows(p.x, "append_rows"); }

size_t workspace_bytes(const DeviceProperties&, const AppendRowsParams&) { return 0; }

Status run(const Launch& context, const AppendRowsParams& p) {
  const MoveRows rows = describe(p.x, p.cache, p.x.rows, RowSource::kSame, View(), p.position);
  return move_rows(context, "append_rows", rows, p.x, p.cache);
}

Status supports(const DeviceProperties&, const CopyParams& p) { return supports_rows(p.y, "copy"); }

size_t workspace_bytes(const DeviceProperties&, const CopyParams&) { return 0; }

Status run(const Launch& context, const CopyParams& p) {
  return move_rows(context, "copy", describe(p.x, p.y, p.y.rows, RowSource::kSame, View(), View()), p.x, p.y);
}

}  // namespace qavit::cuda
