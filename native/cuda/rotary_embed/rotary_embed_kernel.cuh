// y_i = x_i cos(p, i) - x_{i+D/2} sin(p, i),   y_{i+D/2} = x_{i+D/2} cos(p, i) + x_i sin(p, i)
//
// in every head of the last P rows of an entry; the rows before them are copied. A thread takes kLength elements of
// both halves of a head at a time: kRun where halves are whole runs and both operands are aligned for it, else 1. A
// row's cosines and sines are read once a head, from the L1 but for the first time.
//
// Memory bounds it: 3 multiply-adds for two elements read and two written. Prediction, never run on a GPU yet: queries
// and keys of DINOv3 ViT-L/16, [32, 201, 2048] of bf16, are 53 MB, 12 us on an H200; what the product before left in
// the L2 makes it less.
#pragma once

#include "cuda/device/dependent_launch.cuh"
#include "cuda/device/runs.cuh"
#include "cuda/rows/row_operands.cuh"

namespace qavit::cuda {

struct RotaryRows {
  RowOperands both;
  const float* table;  // [P, 2 * half]: cosines, then sines
  uint32_t first;      // of the rows of an entry that have a place
  uint32_t half;       // D / 2
  uint32_t pairs;      // of a row: half of its columns
};

template <int kLength>
__device__ inline void rotate_run(const float* cosines, uint32_t half, float (&a)[kLength], float (&b)[kLength]) {
  float cosine[kLength], sine[kLength];
  load_run_of<float>(cosines, 0, cosine);
  load_run_of<float>(cosines, half, sine);
#pragma unroll
  for (int i = 0; i < kLength; ++i) {
    const float turned = a[i] * cosine[i] - b[i] * sine[i];
    b[i] = b[i] * cosine[i] + a[i] * sine[i];
    a[i] = turned;
  }
}

template <int kLength>
__global__ void __launch_bounds__(kRowThreads) rotary_embed_kernel(const RotaryRows p) {
  follow_earlier_kernels();
  const uint32_t row = row_of_thread();
  if (row >= p.both.rows) return;
  const RowPlace at = place_of(p.both, row);
  for (uint32_t pair = threadIdx.x * kLength; pair < p.pairs; pair += blockDim.x * kLength) {
    const uint32_t head = pair / p.half, i = pair - head * p.half;
    const int64_t column = 2 * static_cast<int64_t>(head) * p.half + i;
    float a[kLength], b[kLength];
    load_run(p.both.x, p.both.x_dtype, at.x + column, a);
    load_run(p.both.x, p.both.x_dtype, at.x + column + p.half, b);
    if (at.line >= p.first) {
      rotate_run(p.table + 2 * static_cast<int64_t>(at.line - p.first) * p.half + i, p.half, a, b);
    }
    store_run(p.both.y, p.both.y_dtype, at.y + column, a);
    store_run(p.both.y, p.both.y_dtype, at.y + column + p.half, b);
  }
}

}  // namespace qavit::cuda
