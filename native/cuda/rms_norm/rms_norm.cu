#include "cuda/rms_norm/rms_norm.h"
#include "cuda/rms_norm/rms_norm_kernel.cuh"

namespace qavit::cuda {

namespace {

constexpr const char* kWhere = "rms_norm";

template <int kRuns>
Status launch_warps(const Launch& context, int runs, const NormRows& rows) {
  if constexpr (kRuns < kMostNormRuns) {
    if (runs > kRuns) return launch_warps<kRuns + 1>(context, runs, rows);
  }
  constexpr uint32_t kRowsPerBlock = kNormThreads / 32;
  return launch(context, kWhere, rms_norm_warp_kernel<kRuns>, dim3((rows.rows + kRowsPerBlock - 1) / kRowsPerBlock),
                dim3(kNormThreads), 0, rows);
}

}  // namespace

Status supports(const DeviceProperties&, const RmsNormParams& p) { return norm_supports(p.x, kWhere); }

size_t workspace_bytes(const DeviceProperties&, const RmsNormParams&) { return 0; }

Status run(const Launch& context, const RmsNormParams& p) {
  const NormRows rows = norm_rows(p.x, p.y, p.gamma, nullptr, p.eps);
  const int runs = norm_runs(p.x, p.y);
  if (runs > 0) return launch_warps<1>(context, runs, rows);
  return launch(context, kWhere, rms_norm_block_kernel, dim3(rows.rows), dim3(kNormBlockThreads), 0, rows);
}

}  // namespace qavit::cuda
