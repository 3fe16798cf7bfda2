// The same product with f32 weights, in f32 multiply-adds (no TF32): for checking the others and for models kept in
// f32. x may be any float dtype, at any alignment.
//
// 256 threads compute 64 x 64, 4 x 4 a thread, 16 of the sum at a time. Operand tiles lie transposed in shared memory,
// so that a thread reads its 4 rows and its 4 columns as one vector each; the next tile is already in registers while
// this one is used. Not tuned further: 16 multiply-adds for two vector reads keep it at about half of the f32 peak.
#pragma once

#include "cuda/device/dependent_launch.cuh"
#include "cuda/linear/block_work.cuh"
#include "cuda/linear/epilogue.cuh"
#include "cuda/linear/gemm.h"
#include "cuda/linear/tile_copy.cuh"

namespace qavit::cuda {

constexpr int kFmaTile = 64;
constexpr int kFmaDepth = 16;
constexpr int kFmaThreads = 256;

__global__ void __launch_bounds__(kFmaThreads) fma_gemm_kernel(const Gemm g, const GemmGrid grid) {
  follow_earlier_kernels();
  constexpr int kLoads = kFmaTile * kFmaDepth / kFmaThreads;
  constexpr int kRowStep = kFmaThreads / kFmaDepth;
  constexpr int kLine = kFmaTile + 4;  // keeps vectors aligned and a transposing warp to 2 writes a bank
  alignas(16) __shared__ float x_tile[kFmaDepth][kLine];
  alignas(16) __shared__ float weight_tile[kFmaDepth][kLine];

  const BlockWork work = block_work(grid, g.groups, static_cast<int>(blockIdx.x));
  const int first_row = work.row_tile * kFmaTile, first_column = work.column_tile * kFmaTile;
  const int thread = static_cast<int>(threadIdx.x);
  const int load_k = thread % kFmaDepth, load_row = thread / kFmaDepth;
  int64_t x_from[kLoads], weight_from[kLoads];
#pragma unroll
  for (int i = 0; i < kLoads; ++i) {
    const int row = min(first_row + load_row + i * kRowStep, g.rows - 1);
    const int column = min(first_column + load_row + i * kRowStep, g.out - 1);
    x_from[i] = row_offset(g.x, g.batch_rows, static_cast<uint32_t>(row)) + static_cast<int64_t>(work.group) * g.in;
    weight_from[i] = (static_cast<int64_t>(work.group) * g.out + column) * g.leading;
  }

  const int matrix_stages = g.leading / kFmaDepth;
  const int gate_stages = g.gate_weight != nullptr ? matrix_stages : 0;
  const int end = gate_stages + matrix_stages;
  float x_next[kLoads], weight_next[kLoads];
  const auto fetch = [&](int stage) {
    const bool gated = stage < gate_stages;
    const int k = (gated ? stage : stage - gate_stages) * kFmaDepth + load_k;
    const auto* weight = static_cast<const float*>(gated ? g.gate_weight : g.weight);
#pragma unroll
    for (int i = 0; i < kLoads; ++i) {
      x_next[i] = k < g.in ? load_element(g.x, x_from[i] + k) : 0.0f;
      weight_next[i] = weight[weight_from[i] + k];
    }
  };

  float sums[4][4] = {};
  const int row4 = thread / 16 * 4, column4 = thread % 16 * 4;
  fetch(0);
  for (int stage = 0; stage < end; ++stage) {
    __syncthreads();  // the stage before this one has been read
#pragma unroll
    for (int i = 0; i < kLoads; ++i) {
      x_tile[load_k][load_row + i * kRowStep] = x_next[i];
      weight_tile[load_k][load_row + i * kRowStep] = weight_next[i];
    }
    __syncthreads();
    if (stage + 1 < end) fetch(stage + 1);
#pragma unroll
    for (int k = 0; k < kFmaDepth; ++k) {
      const Pack<float, 4> a = Pack<float, 4>::load(&x_tile[k][row4]);
      const Pack<float, 4> b = Pack<float, 4>::load(&weight_tile[k][column4]);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) sums[i][j] = fmaf(a[i], b[j], sums[i][j]);
      }
    }
    if (stage + 1 == gate_stages) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) sums[i][j] *= g.epilogue.gate;
      }
    }
  }

  const int column = first_column + column4;
  if (column >= g.out) return;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int row = first_row + row4 + i;
    if (row < g.rows) {
      finish_columns(g.epilogue, static_cast<uint32_t>(row), work.group * g.out + column, min(kVector, g.out - column),
                     sums[i]);
    }
  }
}

}  // namespace qavit::cuda
