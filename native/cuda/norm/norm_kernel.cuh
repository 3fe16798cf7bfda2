// y = (x - mean) * scale * gamma + beta over rows, in one reading of x where a row fits into registers. A `Norm` says
// what a row's mean and scale are; nothing else tells layer_norm and rms_norm apart.
//
//   norm_warp_kernel    a warp a row: C / 256 runs of 8 elements a lane, whose loads are all in flight together, then
//                       gamma's and beta's; no barrier. C a multiple of 8 up to 2,048, rows aligned to 16 bytes, in
//                       which they are stored.
//   norm_block_kernel   a block a row, element by element, x read again for each sum (from L1 or L2 after the first):
//                       any width, any alignment.
//
// What bounds it is memory: C (bytes of x + bytes of y) a row, 4 KB at C = 1,024 in bf16, which an H200 moves in about
// 1 ns of its 4.3 TB/s; gamma and beta (8 KB a row) come from L1. A row's 1,024 elements cost a warp about 40
// instructions a run and 15 shuffles (layer_norm), well below what the memory allows. The 609 rows of a picture and a
// question in T5 base (0.9 MB of bf16 in, as much out) pass in the time of a launch. Predictions: never run on a GPU
// yet.
#pragma once

#include "cuda/device/dependent_launch.cuh"
#include "cuda/norm/norm_rows.cuh"

namespace qavit::cuda {

// A Norm has
//   static NormFactors of_warp(rows, lane, values)   from the runs of a row that a warp's lanes hold
//   static NormFactors of_block(rows, element)       from element(column), of any column, of a block's row
struct NormFactors {
  float mean;
  float scale;
};

// A row whose runs a warp's lanes hold, to y from `offset` on.
template <typename Norm, int kRuns>
__device__ inline void normalize_row(const NormRows& p, int64_t offset, int lane, float (&values)[kRuns][kRun]) {
  const NormFactors found = Norm::of_warp(p, lane, values);
#pragma unroll
  for (int i = 0; i < kRuns; ++i) {
    const int column = (i * 32 + lane) * kRun;
    // Without a branch all runs' gamma and beta are asked for at once, past the row's end the last run's. Those of more
    // than 4 runs would not fit into registers.
    if (kRuns > 4 && column >= p.width) continue;
    const int from = min(column, p.width - kRun);
    float factors[kRun], terms[kRun];
#pragma unroll
    for (int j = 0; j < kRun; ++j) {
      factors[j] = 1.0f;
      terms[j] = 0.0f;
    }
    if (p.gamma != nullptr) load_run_of<float>(p.gamma, from, factors);
    if (p.beta != nullptr) load_run_of<float>(p.beta, from, terms);
#pragma unroll
    for (int j = 0; j < kRun; ++j) values[i][j] = fmaf((values[i][j] - found.mean) * found.scale, factors[j], terms[j]);
  }
  store_row(p, offset, lane, values);  // after all runs' gamma and beta, which no store then holds up
}

template <typename Norm, int kRuns>
__global__ void __launch_bounds__(kNormThreads) norm_warp_kernel(const NormRows p) {
  follow_earlier_kernels();
  const uint32_t row = blockIdx.x * (kNormThreads / 32) + threadIdx.x / 32;
  if (row >= p.rows) return;
  const int lane = static_cast<int>(threadIdx.x % 32);
  const RowOffsets offsets = row_offsets(p, row);
  float values[kRuns][kRun];
  load_row(p, offsets.x, lane, values);
  normalize_row<Norm>(p, offsets.y, lane, values);
}

template <typename Norm>
__global__ void __launch_bounds__(kNormBlockThreads) norm_block_kernel(const NormRows p) {
  follow_earlier_kernels();
  const RowOffsets offsets = row_offsets(p, blockIdx.x);
  const auto element = [&](int column) {
    float value[1];
    load_run(p.x, p.x_dtype, offsets.x + column, value);
    return value[0];
  };
  const NormFactors found = Norm::of_block(p, element);
  for (int column = static_cast<int>(threadIdx.x); column < p.width; column += kNormBlockThreads) {
    const float factor = p.gamma != nullptr ? p.gamma[column] : 1.0f;
    const float term = p.beta != nullptr ? p.beta[column] : 0.0f;
    const float value[1] = {fmaf((element(column) - found.mean) * found.scale, factor, term)};
    store_run(p.y, p.y_dtype, offsets.y + column, value);
  }
}

}  // namespace qavit::cuda
