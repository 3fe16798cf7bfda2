// y[b, r, c] = mean over i in [0, group) of x[b, r * group + i, c]
//
// A thread takes kLength columns of one row of y: kRun where both operands are aligned for it (a row's last elements
// may be fewer), else 1. It adds the rows of its group from the first to the last, in f32, so that a mean is the same
// in every run. Rows and columns are counted in 32 bits.
//
// Memory bounds it: `group` loads and additions a store. Loads are written kAhead together; of 16-bit runs CUDA 13.0
// still puts the first additions behind the second load. Prediction, never run on a GPU yet: 16 rows to a group, as
// Gemma 3 has them, [8, 4096, 1152] of bf16 to [8, 256, 1152] is 80 MB, 19 us on an H200. One picture is 36,864
// threads, a fifth of what the multiprocessors hold: its 10 MB are bound by latency, some 6 us. A few long groups are
// slow: rows of a group are not divided among threads.
#pragma once

#include "cuda/device/dependent_launch.cuh"
#include "cuda/device/runs.cuh"
#include "cuda/device/types.cuh"
#include "cuda/rows/row_operands.cuh"

namespace qavit::cuda {

constexpr int kAhead = 4;  // rows that a thread asks for at a time

struct MeanRows {
  RowOperands both;  // x_row_stride: from group to group
  int64_t step;      // of x, from row to row
  int group;
  int width;
};

template <typename T, int kLength>
__device__ inline void add_pack(const Pack<T, kLength>& pack, float (&sums)[kLength]) {
#pragma unroll
  for (int i = 0; i < kLength; ++i) sums[i] += to_float(pack[i]);
}

// The dtype is known outside the loop: a branch at each load would have the next one wait for it.
template <typename T, int kLength>
__device__ inline void add_rows(const MeanRows& p, int64_t x, float (&sums)[kLength]) {
  using Run = Pack<T, kLength>;
  const T* at = static_cast<const T*>(p.both.x) + x;
  int row = 0;
#pragma unroll 1
  for (; row + kAhead <= p.group; row += kAhead, at += kAhead * p.step) {
    Run runs[kAhead];
#pragma unroll
    for (int i = 0; i < kAhead; ++i) runs[i] = Run::load(at + i * p.step);
#pragma unroll
    for (int i = 0; i < kAhead; ++i) add_pack(runs[i], sums);
  }
#pragma unroll 1
  for (; row < p.group; ++row, at += p.step) add_pack(Run::load(at), sums);
}

template <int kLength>
__device__ inline void mean_run(const MeanRows& p, int64_t x, int64_t y) {
  float sums[kLength] = {};
  switch (p.both.x_dtype) {
    case DType::kBF16:
      add_rows<bf16>(p, x, sums);
      break;
    case DType::kF16:
      add_rows<f16>(p, x, sums);
      break;
    default:
      add_rows<float>(p, x, sums);
  }
#pragma unroll
  for (int i = 0; i < kLength; ++i) sums[i] /= static_cast<float>(p.group);
  store_run(p.both.y, p.both.y_dtype, y, sums);
}

template <int kLength>
__global__ void __launch_bounds__(kRowThreads) mean_rows_kernel(const MeanRows p) {
  follow_earlier_kernels();
  const uint32_t row = row_of_thread();
  if (row >= p.both.rows) return;
  const RowPlace at = place_of(p.both, row);
  const int step = static_cast<int>(blockDim.x) * kLength;
  for (int column = static_cast<int>(threadIdx.x) * kLength; column < p.width; column += step) {
    if (column + kLength <= p.width) {
      mean_run<kLength>(p, at.x + column, at.y + column);
    } else {
#pragma unroll 1
      for (int i = column; i < p.width; ++i) mean_run<1>(p, at.x + i, at.y + i);
    }
  }
}

}  // namespace qavit::cuda
