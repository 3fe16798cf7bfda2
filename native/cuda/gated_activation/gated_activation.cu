#include "cuda/device/runs.h"
#include "cuda/gated_activation/gated_activation.h"
#include "cuda/gated_activation/gated_activation_kernel.cuh"

namespace qavit::cuda {

namespace {

constexpr const char* kWhere = "gated_activation";

}  // namespace

Status supports(const DeviceProperties&, const GatedActivationParams& p) { return supports_rows(p.x, kWhere); }

size_t workspace_bytes(const DeviceProperties&, const GatedActivationParams&) { return 0; }

Status run(const Launch& context, const GatedActivationParams& params) {
  const GatedRows p = {row_operands(params.x, params.y), params.activation, static_cast<int>(params.y.cols)};
  // The values begin `width` elements behind the gates: a width of whole runs keeps them aligned, and leaves no rest.
  const bool runs = p.width % kRun == 0 && moves_in_runs(params.x, kRun) && moves_in_runs(params.y, kRun);
  const auto [grid, block] = row_grid(p.both.rows, static_cast<uint32_t>(runs ? p.width / kRun : p.width));
  return runs ? launch(context, kWhere, gated_activation_kernel<kRun>, grid, block, 0, p)
              : launch(context, kWhere, gated_activation_kernel<1>, grid, block, 0, p);
}

}  // namespace qavit::cuda
