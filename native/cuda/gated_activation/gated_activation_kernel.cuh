// y[b, r, c] = activation(x[b, r, c]) * x[b, r, width + c]
//
// threadIdx.x walks along a row of y, kLength elements at a time, threadIdx.y over rows. kLength is kRun where both
// halves of x and y are aligned for it, else 1.
//
// Memory bounds it: three elements an activation, of which an H200 moves 2,000 in the time that its cores take for one
// silu each. The activation is chosen by a branch that all threads take alike. Prediction, never run on a GPU yet:
// DINOv2 giant's [8, 257, 8192] of bf16 is 51 MB, 12 us on an H200.
#pragma once

#include "cuda/device/activation.cuh"
#include "cuda/device/dependent_launch.cuh"
#include "cuda/device/runs.cuh"

namespace qavit::cuda {

struct GatedRows {
  const void* x;
  void* y;
  DType x_dtype, y_dtype;
  int64_t x_batch_stride, x_row_stride, y_batch_stride, y_row_stride;
  Activation activation;
  uint32_t rows;        // of all batch entries
  uint32_t batch_rows;  // of one
  int width;            // of y
};

constexpr int kGateThreads = 256;

template <int kLength>
__device__ inline void gate_run(const GatedRows& p, int64_t x, int64_t y) {
  float gates[kLength], values[kLength];
  load_run(p.x, p.x_dtype, x, gates);
  load_run(p.x, p.x_dtype, x + p.width, values);
#pragma unroll
  for (int i = 0; i < kLength; ++i) values[i] *= activate(gates[i], p.activation);
  store_run(p.y, p.y_dtype, y, values);
}

template <int kLength>
__global__ void __launch_bounds__(kGateThreads) gated_activation_kernel(const GatedRows p) {
  follow_earlier_kernels();
  const uint32_t row = blockIdx.x * blockDim.y + threadIdx.y;
  if (row >= p.rows) return;
  const uint32_t entry = row / p.batch_rows, line = row - entry * p.batch_rows;
  const int64_t x = entry * p.x_batch_stride + line * p.x_row_stride;
  const int64_t y = entry * p.y_batch_stride + line * p.y_row_stride;
  const int step = static_cast<int>(blockDim.x) * kLength;
  for (int column = static_cast<int>(threadIdx.x) * kLength; column < p.width; column += step) {
    gate_run<kLength>(p, x + column, y + column);
  }
}

}  // namespace qavit::cuda
