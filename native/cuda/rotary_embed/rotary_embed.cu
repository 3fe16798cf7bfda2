#include <algorithm>
#include <bit>
#include <limits>
#include <string>

#include "core/shape.h"
#include "cuda/device/rounding.h"
#include "cuda/rotary_embed/rotary_embed.h"
#include "cuda/rotary_embed/rotary_embed_kernel.cuh"
#include "cuda/weight.h"

namespace qavit::cuda {

namespace {

constexpr const char* kWhere = "rotary_embed";

RotaryRows describe(const RotaryEmbedParams& p) {
  RotaryRows rows;
  rows.x = p.x.data;
  rows.y = p.y.data;
  rows.table = static_cast<const float*>(cuda_weight(p.table)->data);
  rows.x_dtype = p.x.dtype;
  rows.y_dtype = p.y.dtype;
  rows.x_batch_stride = p.x.batch_stride;
  rows.x_row_stride = p.x.row_stride;
  rows.y_batch_stride = p.y.batch_stride;
  rows.y_row_stride = p.y.row_stride;
  rows.rows = static_cast<uint32_t>(p.y.batch * p.y.rows);
  rows.batch_rows = static_cast<uint32_t>(p.y.rows);
  rows.first = static_cast<uint32_t>(p.y.rows - p.table->shape[1]);
  rows.half = static_cast<uint32_t>(p.table->shape[2] / 2);
  rows.pairs = static_cast<uint32_t>(p.y.cols / 2);
  return rows;
}

}  // namespace

Status supports(const DeviceProperties&, const RotaryEmbedParams& p) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max() - kRotaryThreads * kRun;
  if (p.x.batch * p.x.rows <= kMost && p.x.cols <= kMost) return Status();
  return expected(ErrorCode::kUnsupported, "at most " + std::to_string(kMost) + " rows and columns", kWhere,
                  to_string(shape_of(p.x)));
}

size_t workspace_bytes(const DeviceProperties&, const RotaryEmbedParams&) { return 0; }

Status run(const Launch& context, const RotaryEmbedParams& params) {
  const RotaryRows p = describe(params);
  const bool runs = p.half % kRun == 0 && moves_in_runs(params.x, kRun) && moves_in_runs(params.y, kRun);
  const unsigned steps = runs ? p.pairs / kRun : p.pairs;
  const unsigned along = std::min<unsigned>(std::bit_ceil(steps), kRotaryThreads);
  const dim3 block(along, kRotaryThreads / along);
  const dim3 grid(ceil_div(p.rows, block.y));
  return runs ? launch(context, kWhere, rotary_embed_kernel<kRun>, grid, block, 0, p)
              : launch(context, kWhere, rotary_embed_kernel<1>, grid, block, 0, p);
}

}  // namespace qavit::cuda
