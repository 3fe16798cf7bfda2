// 1 / sqrt(mean(x^2) + eps) of a row, from which no mean is taken. The kernels are norm/norm_kernel.cuh's.
#pragma once

#include "cuda/device/reduce.cuh"
#include "cuda/norm/norm_kernel.cuh"

namespace qavit::cuda {

struct RmsNorm {
  template <int kRuns>
  static __device__ NormFactors of_warp(const NormRows& p, int, const float (&values)[kRuns][kRun]) {
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < kRuns; ++i) {
#pragma unroll
      for (int j = 0; j < kRun; ++j) sum = fmaf(values[i][j], values[i][j], sum);
    }
    return factors(p, warp_sum(sum));
  }

  template <typename Element>
  static __device__ NormFactors of_block(const NormRows& p, Element element) {
    __shared__ float scratch[kNormBlockThreads / 32];
    float sum = 0.0f;
    for (int column = static_cast<int>(threadIdx.x); column < p.width; column += kNormBlockThreads) {
      const float value = element(column);
      sum = fmaf(value, value, sum);
    }
    return factors(p, block_sum<kNormBlockThreads / 32>(sum, scratch));
  }

 private:
  static __device__ NormFactors factors(const NormRows& p, float sum_of_squares) {
    return {0.0f, rsqrtf(sum_of_squares / static_cast<float>(p.width) + p.eps)};
  }
};

}  // namespace qavit::cuda
