// mean and 1 / sqrt(variance + eps) of a row: the mean first, and the variance around it. The mean of the deviations,
// zero but for rounding, corrects both: where a mean is far above the deviation the sum of x has lost digits that the
// deviations still have.
//
//   mean' = sum(x) / C      d = x - mean'      c = sum(d) / C      mean = mean' + c      variance = sum(d^2) / C - c^2
//
// The kernels are norm/norm_kernel.cuh's.
#pragma once

#include "cuda/device/reduce.cuh"
#include "cuda/norm/norm_kernel.cuh"

namespace qavit::cuda {

struct LayerNorm {
  template <int kRuns>
  static __device__ NormFactors of_warp(const NormRows& p, int lane, const float (&values)[kRuns][kRun]) {
    float total = 0.0f;  // of runs that are summed beside each other: one chain of additions would be waited for
#pragma unroll
    for (int i = 0; i < kRuns; ++i) {
      float of_run = 0.0f;
#pragma unroll
      for (int j = 0; j < kRun; ++j) of_run += values[i][j];
      total += of_run;
    }
    const float rough_mean = warp_sum(total) / static_cast<float>(p.width);
    float sum = 0.0f, sum_of_squares = 0.0f;
#pragma unroll
    for (int i = 0; i < kRuns; ++i) {
      float of_run = 0.0f, squares_of_run = 0.0f;
#pragma unroll
      for (int j = 0; j < kRun; ++j) {
        const float deviation = values[i][j] - rough_mean;
        of_run += deviation;
        squares_of_run = fmaf(deviation, deviation, squares_of_run);
      }
      const bool inside = (i * 32 + lane) * kRun < p.width;
      sum += inside ? of_run : 0.0f;
      sum_of_squares += inside ? squares_of_run : 0.0f;
    }
    return factors(p, rough_mean, warp_sum(sum), warp_sum(sum_of_squares));
  }

  template <typename Element>
  static __device__ NormFactors of_block(const NormRows& p, Element element) {
    constexpr int kWarps = kNormBlockThreads / 32;
    __shared__ float scratch[3][kWarps];
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
    return factors(p, rough_mean, sum, sum_of_squares);
  }

 private:
  // From the sums of the deviations from `rough_mean` and of their squares.
  static __device__ NormFactors factors(const NormRows& p, float rough_mean, float sum, float sum_of_squares) {
    const auto width = static_cast<float>(p.width);
    const float correction = sum / width;
    const float variance = fmaxf(sum_of_squares / width - correction * correction, 0.0f);
    return {rough_mean + correction, rsqrtf(variance + p.eps)};
  }
};

}  // namespace qavit::cuda
