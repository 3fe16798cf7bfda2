// The same with f32 weights, in f32 multiply-adds (no TF32): for checking the other and for models kept in f32.
//
// 256 threads compute 64 patches x 64 columns, 4 x 4 a thread, 16 of the sum at a time, as fma_kernel.cuh does for
// linear: operand tiles lie transposed, a thread reads its 4 rows and 4 columns as one vector each, and the next tile
// is in registers while this one is used.
#pragma once

#include "cuda/device/dependent_launch.cuh"
#include "cuda/linear/block_work.cuh"
#include "cuda/patch_embed/patch_product.cuh"

namespace qavit::cuda {

constexpr int kFmaPatchTile = 64;
constexpr int kFmaPatchDepth = 16;
constexpr int kFmaPatchThreads = 256;

// 2: left alone, the compiler aims at 4 blocks and spills.
__global__ void __launch_bounds__(kFmaPatchThreads, 2) fma_patch_kernel(const PatchProduct p, const GemmGrid grid) {
  follow_earlier_kernels();
  constexpr int kLoads = kFmaPatchTile * kFmaPatchDepth / kFmaPatchThreads;
  constexpr int kRowStep = kFmaPatchThreads / kFmaPatchDepth;
  constexpr int kLine = kFmaPatchTile + 4;  // keeps vectors aligned and a transposing warp to 2 writes a bank
  alignas(16) __shared__ float patch_tile[kFmaPatchDepth][kLine];
  alignas(16) __shared__ float weight_tile[kFmaPatchDepth][kLine];

  const BlockWork work = block_work(grid, 1, static_cast<int>(blockIdx.x));
  const int first_row = work.row_tile * kFmaPatchTile, first_column = work.column_tile * kFmaPatchTile;
  const int thread = static_cast<int>(threadIdx.x);
  const int load_k = thread % kFmaPatchDepth, load_row = thread / kFmaPatchDepth;
  const uint8_t* corner[kLoads];
  const float* weight[kLoads];
#pragma unroll
  for (int i = 0; i < kLoads; ++i) {
    const int row = min(first_row + load_row + i * kRowStep, p.product.rows - 1);
    const int column = min(first_column + load_row + i * kRowStep, p.product.out - 1);
    corner[i] = patch_corner(p.pixels, static_cast<uint32_t>(row));
    weight[i] = static_cast<const float*>(p.product.weight) + static_cast<int64_t>(column) * p.product.leading;
  }

  uint8_t pixel_next[kLoads];
  float weight_next[kLoads];
  const auto fetch = [&](int first) {
    const int k = first + load_k;
    const int y = k / p.pixels.run;
    // Past the end of a patch any of its bytes will do: the weights are zeros there.
    const int offset = k < p.product.in ? y * p.pixels.row_stride + k - y * p.pixels.run : 0;
#pragma unroll
    for (int i = 0; i < kLoads; ++i) {
      pixel_next[i] = corner[i][offset];
      weight_next[i] = weight[i][k];
    }
  };

  float sums[4][4] = {};
  const int row4 = thread / 16 * 4, column4 = thread % 16 * 4;
  fetch(0);
  for (int first = 0; first < p.product.in; first += kFmaPatchDepth) {
    __syncthreads();  // the tiles before these have been read
#pragma unroll
    for (int i = 0; i < kLoads; ++i) {
      patch_tile[load_k][load_row + i * kRowStep] = static_cast<float>(pixel_next[i]);
      weight_tile[load_k][load_row + i * kRowStep] = weight_next[i];
    }
    __syncthreads();
    if (first + kFmaPatchDepth < p.product.in) fetch(first + kFmaPatchDepth);
#pragma unroll
    for (int k = 0; k < kFmaPatchDepth; ++k) {
      const Pack<float, 4> a = Pack<float, 4>::load(&patch_tile[k][row4]);
      const Pack<float, 4> b = Pack<float, 4>::load(&weight_tile[k][column4]);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) sums[i][j] = fmaf(a[i], b[j], sums[i][j]);
      }
    }
  }

  const int column = first_column + column4;
  if (column >= p.product.out) return;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int row = first_row + row4 + i;
    if (row < p.product.rows) finish_patch(p, row, column, min(kVector, p.product.out - column), sums[i]);
  }
}

}  // namespace qavit::cuda
