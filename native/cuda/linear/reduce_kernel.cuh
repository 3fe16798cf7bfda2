// Adds the parts of split sums and finishes them: the parts of one sum in the order of the splits, whoever wrote them
// first, so that every run gives the same bits. A thread takes 4 columns of one row; reads and writes are whole lines.
#pragma once

#include "cuda/device/dependent_launch.cuh"
#include "cuda/device/rounding.h"
#include "cuda/linear/epilogue.cuh"
#include "cuda/linear/gemm.h"

namespace qavit::cuda {

constexpr int kReduceThreads = 256;

__global__ void __launch_bounds__(kReduceThreads) reduce_gemm_kernel(const Gemm g, const float* partials, int splits) {
  follow_earlier_kernels();
  const int vectors = ceil_div(g.out, kVector);  // of a row of one group
  const int64_t lines = static_cast<int64_t>(g.groups) * g.rows;
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kReduceThreads + threadIdx.x;
  if (index >= lines * vectors) return;
  const int64_t line = index / vectors;
  const int column = static_cast<int>(index - line * vectors) * kVector;
  const int group = static_cast<int>(line / g.rows);
  const auto row = static_cast<uint32_t>(line - static_cast<int64_t>(group) * g.rows);

  float values[kVector] = {};
  for (int split = 0; split < splits; ++split) {
    const Pack<float, kVector> part =
        Pack<float, kVector>::load(partials + (split * lines * vectors + index) * kVector);
#pragma unroll
    for (int i = 0; i < kVector; ++i) values[i] += part[i];
  }
  finish_columns(g.epilogue, row, group * g.out + column, min(kVector, g.out - column), values);
}

}  // namespace qavit::cuda
