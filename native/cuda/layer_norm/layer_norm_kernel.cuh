// y = (x - mean) / sqrt(variance + eps) * gamma + beta over rows, in one reading of x where a row fits into registers.
//
//   layer_norm_warp_kernel    a warp a row: C / 256 runs of 8 elements a lane, whose loads are all in flight together;
//                             no barrier. C a multiple of 8 up to 2,048, rows aligned to 16 bytes.
//   layer_norm_block_kernel   a block a row, element by element, x read three times (from L1 or L2 after the first):
//                             any width, any alignment.
//
// Both take the mean first and the variance around it. The mean of the deviations, zero but for rounding, corrects
// both: where a mean is far above the deviation the sum of x has lost digits that the deviations still have.
//
//   mean' = sum(x) / C      d = x - mean'      c = sum(d) / C      mean = mean' + c      variance = sum(d^2) / C - c^2
//
// What bounds it is memory: C (bytes of x + bytes of y) a row, 4 KB at C = 1,024 in bf16, which an H200 moves in about
// 1 ns of its 4.3 TB/s; gamma and beta (8 KB a row) come from L1. A row's 1,024 elements cost a warp about 40
// instructions a run and 15 shuffles, well below what the memory allows. Predictions: never run on a GPU yet.
#pragma once

#include "cuda/device/dependent_launch.cuh"
#include "cuda/device/reduce.cuh"
#include "cuda/layer_norm/norm_rows.cuh"

namespace qavit::cuda {

struct Statistics {
  float mean;
  float scale;  // 1 / sqrt(variance + eps)
};

// From the sums of the deviations from `rough_mean` and of their squares.
__device__ inline Statistics statistics(const NormRows& p, float rough_mean, float sum, float sum_of_squares) {
  const auto width = static_cast<float>(p.width);
  const float correction = sum / width;
  const float variance = fmaxf(sum_of_squares / width - correction * correction, 0.0f);
  return {rough_mean + correction, rsqrtf(variance + p.eps)};
}

template <int kRuns>
__device__ inline Statistics warp_statistics(const NormRows& p, int lane, const float (&values)[kRuns][kRun]) {
  float total = 0.0f;
#pragma unroll
  for (int i = 0; i < kRuns; ++i) {
#pragma unroll
    for (int j = 0; j < kRun; ++j) total += values[i][j];
  }
  const float rough_mean = warp_sum(total) / static_cast<float>(p.width);
  float sum = 0.0f, sum_of_squares = 0.0f;
#pragma unroll
  for (int i = 0; i < kRuns; ++i) {
    if ((i * 32 + lane) * kRun >= p.width) continue;
#pragma unroll
    for (int j = 0; j < kRun; ++j) {
      const float deviation = values[i][j] - rough_mean;
      sum += deviation;
      sum_of_squares = fmaf(deviation, deviation, sum_of_squares);
    }
  }
  return statistics(p, rough_mean, warp_sum(sum), warp_sum(sum_of_squares));
}

template <int kRuns>
__global__ void __launch_bounds__(kNormThreads) layer_norm_warp_kernel(const NormRows p) {
  follow_earlier_kernels();
  const uint32_t row = blockIdx.x * (kNormThreads / 32) + threadIdx.x / 32;
  if (row >= p.rows) return;
  const int lane = static_cast<int>(threadIdx.x % 32);
  const RowOffsets offsets = row_offsets(p, row);
  float values[kRuns][kRun];
  load_row(p, offsets.x, lane, values);
  const Statistics s = warp_statistics(p, lane, values);
#pragma unroll
  for (int i = 0; i < kRuns; ++i) {
    const int column = (i * 32 + lane) * kRun;
    if (column >= p.width) continue;
    float factors[kRun], terms[kRun];
#pragma unroll
    for (int j = 0; j < kRun; ++j) {
      factors[j] = 1.0f;
      terms[j] = 0.0f;
    }
    if (p.gamma != nullptr) load_run_of<float>(p.gamma, column, factors);
    if (p.beta != nullptr) load_run_of<float>(p.beta, column, terms);
#pragma unroll
    for (int j = 0; j < kRun; ++j) values[i][j] = fmaf((values[i][j] - s.mean) * s.scale, factors[j], terms[j]);
    store_run(p.y, p.y_dtype, offsets.y + column, values[i]);
  }
}

__global__ void __launch_bounds__(kNormBlockThreads) layer_norm_block_kernel(const NormRows p) {
  follow_earlier_kernels();
  constexpr int kWarps = kNormBlockThreads / 32;
  __shared__ float scratch[3][kWarps];
  const RowOffsets offsets = row_offsets(p, blockIdx.x);
  const auto element = [&](int column) {
    float value[1];
    load_run(p.x, p.x_dtype, offsets.x + column, value);
    return value[0];
  };
  const auto first = static_cast<int>(threadIdx.x);
  float total = 0.0f;
  for (int column = first; column < p.width; column += kNormBlockThreads) total += element(column);
  const float rough_mean = block_sum<kWarps>(total, scratch[0]) / static_cast<float>(p.width);
  float sum = 0.0f, sum_of_squares = 0.0f;
  for (int column = first; column < p.width; column += kNormBlockThreads) {
    const float deviation = element(column) - rough_mean;
    sum += deviation;
    sum_of_squares = fmaf(deviation, deviation, sum_of_squares);
  }
  sum = block_sum<kWarps>(sum, scratch[1]);
  sum_of_squares = block_sum<kWarps>(sum_of_squares, scratch[2]);
  const Statistics s = statistics(p, rough_mean, sum, sum_of_squares);
  for (int column = first; column < p.width; column += kNormBlockThreads) {
    const float factor = p.gamma != nullptr ? p.gamma[column] : 1.0f;
    const float term = p.beta != nullptr ? p.beta[column] : 0.0f;
    const float value[1] = {fmaf((element(column) - s.mean) * s.scale, factor, term)};
    store_run(p.y, p.y_dtype, offsets.y + column, value);
  }
}

}  // namespace qavit::cuda
