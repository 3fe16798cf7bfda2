#include "cuda/device/runs.h"
#include "cuda/rotary_embed/rotary_embed.h"
#include "cuda/rotary_embed/rotary_embed_kernel.cuh"
#include "cuda/weight.h"

namespace qavit::cuda {

namespace {

constexpr const char* kWhere = "rotary_embed";

RotaryRows describe(const RotaryEmbedParams& p) {
  RotaryRows rows;
  rows.both = row_operands(p.x, p.y);
  rows.table = static_cast<const float*>(cuda_weight(p.table)->data);
  rows.first = static_cast<uint32_t>(p.y.rows - p.table->shape[1]);
  rows.half = static_cast<uint32_t>(p.table->shape[2] / 2);
  rows.pairs = static_cast<uint32_t>(p.y.cols / 2);
  return rows;
}

}  // namespace

Status supports(const DeviceProperties&, const RotaryEmbedParams& p) { return supports_rows(p.x, kWhere); }

size_t workspace_bytes(const DeviceProperties&, const RotaryEmbedParams&) { return 0; }

Status run(const Launch& context, const RotaryEmbedParams& params) {
  const RotaryRows p = describe(params);
  const bool runs = p.half % kRun == 0 && moves_in_runs(params.x, kRun) && moves_in_runs(params.y, kRun);
  const auto [grid, block] = row_grid(p.both.rows, runs ? p.pairs / kRun : p.pairs);
  return runs ? launch(context, kWhere, rotary_embed_kernel<kRun>, grid, block, 0, p)
              : launch(context, kWhere, rotary_embed_kernel<1>, grid, block, 0, p);
}

}  // namespace qavit::cuda
