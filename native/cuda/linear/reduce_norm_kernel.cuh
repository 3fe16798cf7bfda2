// Adds the parts of split sums, as reduce_kernel.cuh does and with the same bits, finishes the rows, and while they are
// in registers also takes their layer norm: for products that a layer norm follows at once, as the out-projection and
// fc2 of a transformer's layer are. A warp takes a row; its lanes hold runs of 8 elements as norm/norm_kernel.cuh's do,
// so that the norm has the bits of its own kernel too.
//
// At batch 1 of ViT-L/14-336 the two kernels are a chain of seven waits for L2 (three parts, bias, residual; then the
// row again, and gamma) and two starts, some 4.5 us; here the residual and two parts are asked for together, and the
// row stays where it is. Predicted: 2 us. Never run on a GPU yet.
#pragma once

#include "cuda/device/dependent_launch.cuh"
#include "cuda/layer_norm/layer_norm_factors.cuh"
#include "cuda/linear/epilogue.cuh"
#include "cuda/linear/gemm.h"

namespace qavit::cuda {

// Runs of a lane: 1,536 columns, which leaves registers for a part and the residual beside the sums.
constexpr int kMostReducedRuns = 6;

// Of one group, without activation, alpha or second matrix; y and residual aligned for runs. norm.x is y.
template <int kRuns>
__global__ void __launch_bounds__(kNormThreads, 1)
    reduce_norm_kernel(const Gemm g, const NormRows norm, const float* partials, int splits) {
  follow_earlier_kernels();
  const uint32_t row = blockIdx.x * (kNormThreads / 32) + threadIdx.x / 32;
  if (row >= norm.rows) return;
  const int lane = static_cast<int>(threadIdx.x % 32);
  const Epilogue& e = g.epilogue;
  const auto each_run = [&](const auto& visit) {
#pragma unroll
    for (int i = 0; i < kRuns; ++i) {
      const int column = (i * 32 + lane) * kRun;
      if (column < norm.width) visit(i, column);
    }
  };

  float values[kRuns][kRun] = {}, residual[kRuns][kRun] = {};
  if (e.residual.data != nullptr) {
    const int64_t offset = row_offset(e.residual, e.batch_rows, row);
    each_run([&](int i, int column) { load_run(e.residual.data, e.residual.dtype, offset + column, residual[i]); });
  }
#pragma unroll 2
  for (int split = 0; split < splits; ++split) {
    const int64_t offset = (static_cast<int64_t>(split) * g.rows + row) * g.out;
    each_run([&](int i, int column) {
      float part[kRun];
      load_run_of<float>(partials, offset + column, part);
#pragma unroll
      for (int j = 0; j < kRun; ++j) values[i][j] += part[j];
    });
  }
  const int64_t y_offset = row_offset(e.y, e.batch_rows, row);
  each_run([&](int i, int column) {
    if (e.bias != nullptr) {
      float bias[kRun];
      load_run_of<float>(e.bias, column, bias);
#pragma unroll
      for (int j = 0; j < kRun; ++j) values[i][j] += bias[j];
    }
#pragma unroll
    for (int j = 0; j < kRun; ++j) values[i][j] += residual[i][j];
    store_run(e.y.data, e.y.dtype, y_offset + column, values[i]);
    round_run(e.y.dtype, values[i]);
  });
  normalize_row<LayerNorm>(norm, row_offsets(norm, row).y, lane, values);
}

}  // namespace qavit::cuda
