// out[b, class + p, :] = W patch(b, p) + table[class + p, :] on tensor cores: bf16 or f16 weights, f32 sums.
//
// A block of 4 warps computes 64 patches x 128 columns, a warp 32 x 64, in stages of 32 along the sum. Weights come
// through a ring of 3 stages by cp.async. Pixels cannot (they change their type on the way): they are read into
// registers before the multiplications of one stage and written into the ring after them.
//
//   stage      s - 1                    s                            s + 1
//   pixels              | load s + 2         store s + 2 |
//   weights             | copy s + 2 ........................................ landed by the barrier before s + 2
//   mma                 |      s                         |       s + 1
//                    barrier                          barrier
//
// One barrier a stage says that all that stage s needs is there (every thread waited for its own copies of s, and wrote
// its pixels of s in the stage s - 2), and that all are through with stage s - 1, whose place s + 2 takes.
//
// Limits: none on strides but what kPiece demands (patch_rows.cuh). One tile serves all sizes, since a batch of 32 of
// ViT-L/14-336 is 46 us of multiply-adds at the H200's mma.sync rate, a five-hundredth of its forward pass. Never run
// on a GPU yet: figures are predictions (docs/kernels/patch_embed.md).
#pragma once

#include "cuda/device/dependent_launch.cuh"
#include "cuda/device/rounding.h"
#include "cuda/linear/block_work.cuh"
#include "cuda/linear/mma_kernel.cuh"
#include "cuda/patch_embed/patch_rows.cuh"

namespace qavit::cuda {

constexpr int kPatchThreads = 128;
constexpr int kPatchRows = 64;
constexpr int kPatchColumns = 128;
constexpr int kPatchDepth = 32;
constexpr int kPatchStages = 3;
constexpr int kPatchStage = (kPatchRows + kPatchColumns) * kPatchDepth;  // elements
constexpr size_t kPatchSharedBytes = size_t{2} * kPatchStages * kPatchStage;

template <typename T, int kPiece>
__global__ void __launch_bounds__(kPatchThreads, 3) mma_patch_kernel(const PatchProduct p, const GemmGrid grid) {
  follow_earlier_kernels();
  constexpr int kRowBlocks = 2, kColumnBlocks = 8;  // of a warp, 16 rows and 8 columns each
  static_assert(kPatchThreads / 32 * kStagedFloats<kColumnBlocks> * sizeof(float) <= kPatchSharedBytes);
  QAVIT_DYNAMIC_SHARED(shared);
  T* const ring = reinterpret_cast<T*>(shared);

  const BlockWork work = block_work(grid, 1, static_cast<int>(blockIdx.x));
  const int first_row = work.row_tile * kPatchRows, first_column = work.column_tile * kPatchColumns;
  PatchRows<T, kPatchRows, kPatchDepth, kPatchThreads, kPiece> patches(p, first_row);
  const WeightRows<T, kPatchColumns, kPatchDepth, kPatchThreads> weights(p.product, first_column, 0);

  const int stages = ceil_div(p.product.in, kPatchDepth);
  const auto copy_weights = [&](int stage, int slot) {
    if (stage < stages) {
      weights.copy(ring + slot * kPatchStage + kPatchRows * kPatchDepth, p.product.weight, stage * kPatchDepth);
    }
    cp_async_commit();  // a group a stage even where it is empty, so that waiting can count them
  };

  const int warp = static_cast<int>(threadIdx.x / 32);
  const int warp_row = warp / 2 * 16 * kRowBlocks, warp_column = warp % 2 * 8 * kColumnBlocks;
  const FragmentReader<kPatchDepth, kRowBlocks, kColumnBlocks> reader(warp_row, warp_column);
  float sums[kRowBlocks][kColumnBlocks][4] = {};

  for (int stage = 0; stage < kPatchStages - 1; ++stage) {
    copy_weights(stage, stage);
    if (stage < stages) {
      patches.load(stage * kPatchDepth);
      patches.store(ring + stage * kPatchStage);
    }
  }
  int slot = 0, next = kPatchStages - 1;  // ring places of this stage and of the one that is fetched
  for (int stage = 0; stage < stages; ++stage) {
    cp_async_wait<kPatchStages - 2>();
    __syncthreads();
    const int fetched = stage + kPatchStages - 1;
    copy_weights(fetched, next);
    if (fetched < stages) patches.load(fetched * kPatchDepth);
    const T* const operands = ring + slot * kPatchStage;
#pragma unroll
    for (int step = 0; step < kPatchDepth / 16; ++step) {
      Fragments<kRowBlocks, kColumnBlocks> f;
      reader.read(operands, operands + kPatchRows * kPatchDepth, step, f);
#pragma unroll
      for (int i = 0; i < kRowBlocks; ++i) {
#pragma unroll
        for (int j = 0; j < kColumnBlocks; ++j) mma_m16n8k16(sums[i][j], f.x[i], f.weight[j], T{});
      }
    }
    if (fetched < stages) patches.store(ring + next * kPatchStage);
    slot = slot + 1 == kPatchStages ? 0 : slot + 1;
    next = next + 1 == kPatchStages ? 0 : next + 1;
  }

  __syncthreads();  // the ring has been read: sums are turned in it
  float* const staging = reinterpret_cast<float*>(shared) + warp * kStagedFloats<kColumnBlocks>;
#pragma unroll
  for (int i = 0; i < kRowBlocks; ++i) {
    drain_fragment(sums[i], staging, [&](int r, int c, float(&values)[kVector]) {
      const int row = first_row + warp_row + 16 * i + r, column = first_column + warp_column + c;
      if (row >= p.product.rows || column >= p.product.out) return;
      finish_patch(p, row, column, min(kVector, p.product.out - column), values);
    });
  }
}

}  // namespace qavit::cuda
