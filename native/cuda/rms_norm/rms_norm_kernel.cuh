// y = x / sqrt(mean(x^2) + eps) * gamma over rows, in one reading of x where a row fits into registers.
//
//   rms_norm_warp_kernel    a warp a row, as in layer_norm_kernel.cuh: no barrier
//   rms_norm_block_kernel   a block a row, element by element, x read twice: any width, any alignment
//
// Memory bounds it as it does layer_norm. Prediction, never run on a GPU yet: the 609 rows of a picture and a question
// in T5 base (0.9 MB of bf16 in, as much out) pass in the time of a launch.
#pragma once

#include "cuda/device/dependent_launch.cuh"
#include "cuda/device/reduce.cuh"
#include "cuda/layer_norm/norm_rows.cuh"

namespace qavit::cuda {

__device__ inline float rms_scale(const NormRows& p, float sum_of_squares) {
  return rsqrtf(sum_of_squares / static_cast<float>(p.width) + p.eps);
}

template <int kRuns>
__global__ void __launch_bounds__(kNormThreads) rms_norm_warp_kernel(const NormRows p) {
  follow_earlier_kernels();
  const uint32_t row = blockIdx.x * (kNormThreads / 32) + threadIdx.x / 32;
  if (row >= p.rows) return;
  const int lane = static_cast<int>(threadIdx.x % 32);
  const RowOffsets offsets = row_offsets(p, row);
  float values[kRuns][kRun];
  load_row(p, offsets.x, lane, values);
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < kRuns; ++i) {
#pragma unroll
    for (int j = 0; j < kRun; ++j) sum = fmaf(values[i][j], values[i][j], sum);
  }
  const float scale = rms_scale(p, warp_sum(sum));
#pragma unroll
  for (int i = 0; i < kRuns; ++i) {
    const int column = (i * 32 + lane) * kRun;
    if (column >= p.width) continue;
    float factors[kRun];
#pragma unroll
    for (int j = 0; j < kRun; ++j) factors[j] = 1.0f;
    if (p.gamma != nullptr) load_run_of<float>(p.gamma, column, factors);
#pragma unroll
    for (int j = 0; j < kRun; ++j) values[i][j] = values[i][j] * scale * factors[j];
    store_run(p.y, p.y_dtype, offsets.y + column, values[i]);
  }
}

__global__ void __launch_bounds__(kNormBlockThreads) rms_norm_block_kernel(const NormRows p) {
  follow_earlier_kernels();
  __shared__ float scratch[kNormBlockThreads / 32];
  const RowOffsets offsets = row_offsets(p, blockIdx.x);
  const auto element = [&](int column) {
    float value[1];
    load_run(p.x, p.x_dtype, offsets.x + column, value);
    return value[0];
  };
  const auto first = static_cast<int>(threadIdx.x);
  float sum = 0.0f;
  for (int column = first; column < p.width; column += kNormBlockThreads) {
    const float value = element(column);
    sum = fmaf(value, value, sum);
  }
  const float scale = rms_scale(p, block_sum<kNormBlockThreads / 32>(sum, scratch));
  for (int column = first; column < p.width; column += kNormBlockThreads) {
    const float factor = p.gamma != nullptr ? p.gamma[column] : 1.0f;
    const float value[1] = {element(column) * scale * factor};
    store_run(p.y, p.y_dtype, offsets.y + column, value);
  }
}

}  // namespace qavit::cuda
