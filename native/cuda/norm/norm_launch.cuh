// Which of the kernels takes the rows, and its launch.
#pragma once

#include "cuda/device/rounding.h"
#include "cuda/launch.h"
#include "cuda/norm/norm_kernel.cuh"

namespace qavit::cuda {

// At least kRuns of a lane.
template <typename Norm, int kRuns>
Status launch_norm_warps(const Launch& context, const char* where, int runs, const NormRows& rows) {
  if constexpr (kRuns < kMostNormRuns) {
    if (runs > kRuns) return launch_norm_warps<Norm, kRuns + 1>(context, where, runs, rows);
  }
  constexpr uint32_t kRowsPerBlock = kNormThreads / 32;
  return launch(context, where, norm_warp_kernel<Norm, kRuns>, dim3(ceil_div(rows.rows, kRowsPerBlock)),
                dim3(kNormThreads), 0, rows);
}

// Params are of layer_norm or rms_norm.
template <typename Norm, typename Params>
Status launch_norm(const Launch& context, const char* where, const Params& p, const Weight* beta) {
  const NormRows rows = norm_rows(p.x, p.y, p.gamma, beta, p.eps);
  const int runs = norm_runs(p.x, p.y);
  if (runs > 0) return launch_norm_warps<Norm, 1>(context, where, runs, rows);
  return launch(context, where, norm_block_kernel<Norm>, dim3(rows.rows), dim3(kNormBlockThreads), 0, rows);
}

}  // namespace qavit::cuda
