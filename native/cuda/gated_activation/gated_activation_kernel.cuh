// y[b, r, c] = activation(x[b, r, c]) * x[b, r, width + c]
//
// A thread takes kLength elements of y at a time: kRun where both halves of x and y are aligned for it, else 1.
//
// Memory bounds it: three elements an activation, of which an H200 moves 2,000 in the time that its cores take for one
// silu each. The activation is chosen by a branch that all threads take alike. Prediction, never run on a GPU yet:
// DINOv2 giant's [8, 257, 8192] of bf16 is 51 MB, 12 us on an H200.
#pragma once

#include "cuda/device/activation.cuh"
#include "cuda/device/dependent_launch.cuh"
#include "cuda/device/runs.cuh"
#include "cuda/rows/row_operands.cuh"

namespace qavit::cuda {

struct GatedRows {
  RowOperands both;
  Activation activation;
  int width;  // of y
};

template <int kLength>
__device__ inline void gate_run(const GatedRows& p, int64_t x, int64_t y) {
  float gates[kLength], values[kLength];
  load_run(p.both.x, p.both.x_dtype, x, gates);
  load_run(p.both.x, p.both.x_dtype, x + p.width, values);
#pragma unroll
  for (int i = 0; i < kLength; ++i) values[i] *= activate(gates[i], p.activation);
  store_run(p.both.y, p.both.y_dtype, y, values);
}

template <int kLength>
__global__ void __launch_bounds__(kRowThreads) gated_activation_kernel(const GatedRows p) {
  follow_earlier_kernels();
  const uint32_t row = row_of_thread();
  if (row >= p.both.rows) return;
  const RowPlace at = place_of(p.both, row);
  const int step = static_cast<int>(blockDim.x) * kLength;
  for (int column = static_cast<int>(threadIdx.x) * kLength; column < p.width; column += step) {
    gate_run<kLength>(p, at.x + column, at.y + column);
  }
}

}  // namespace qavit::cuda
