// y = residual + alpha * activation(x W^T + bias) on tensor cores, for every device from sm_80 on: bf16 or f16
// operands, f32 sums.
//
// A block computes one tile of the result (gemm_plan.h) and walks along the sum in stages of `depth`: cp.async fills a
// ring of `stages` operand tiles ahead of the warps, ldmatrix takes 16 of a stage's columns at a time into registers,
// one step ahead of the mma.sync that eats them, across stage borders too. One barrier a stage: it says both that the
// next stage has arrived and that all warps are through with the last one, whose place the next copy takes.
//
//        x tile                 W tile                        sums of a warp
//   rows |s0|s1|s2|    columns |s0|s1|s2|      ldmatrix     +--+--+--+--+
//        +--+--+--+            +--+--+--+   a: 16 x 16      |8 |  |  |  | 16 rows each
//    depth ->  ring         depth ->  ring  b:  8 x 16      +--+--+--+--+
//
// A second matrix (gated_projection) is walked before the first: sums of Wg x, times gate, go on as the start of the
// sums of W x. It costs its multiply-adds and no register.
//
// A sum may be cut into splits, each with its own block, where there are too few tiles for the device: the sums then go
// to memory as they are and reduce_kernel.cuh adds them in the order of the splits.
//
// Limits: none on strides; x must be copyable in chunks (Gemm::x_in_chunks) unless kElements. Never run on a GPU yet:
// all figures on tiles are predictions (docs/kernels/gemm.md).
#pragma once

#include <type_traits>

#include "cuda/device/cp_async.cuh"
#include "cuda/device/dependent_launch.cuh"
#include "cuda/device/ldmatrix.cuh"
#include "cuda/device/mma.cuh"
#include "cuda/device/rounding.h"
#include "cuda/device/shared.cuh"
#include "cuda/linear/block_work.cuh"
#include "cuda/linear/epilogue.cuh"
#include "cuda/linear/gemm.h"
#include "cuda/linear/tile_copy.cuh"

namespace qavit::cuda {

// The operands of one step of 16 along the sum, for a warp's part of the tile.
template <int kRowBlocks, int kColumnBlocks>
struct Fragments {
  uint32_t x[kRowBlocks][4];          // blocks of 16 rows
  uint32_t weight[kColumnBlocks][2];  // blocks of 8 columns
};

// Reads fragments out of a stage. Lanes 0-15 name the 16 rows of an x block at its left 8 columns, lanes 16-31 at its
// right ones. For weights, whose blocks are 8 wide, 8 lanes each name a block's left, its right, and the next block's.
template <int kDepth, int kRowBlocks, int kColumnBlocks>
class FragmentReader {
 public:
  __device__ FragmentReader(int x_row, int weight_row) {
    const int lane = static_cast<int>(threadIdx.x % 32);
    const int x_lane_row = lane % 16, weight_lane_row = lane % 8 + lane / 16 * 8;
    x_offset_ = (x_row + x_lane_row) * kDepth;
    weight_offset_ = (weight_row + weight_lane_row) * kDepth;
    x_side_ = lane / 16;
    weight_side_ = lane / 8 % 2;
    x_swizzle_ = swizzled<kDepth>(x_lane_row, 0);
    weight_swizzle_ = swizzled<kDepth>(weight_lane_row, 0);
  }

  // Columns [16 step, 16 step + 16) of the stage.
  template <typename T>
  __device__ void read(const T* x, const T* weight, int step, Fragments<kRowBlocks, kColumnBlocks>& to) const {
    x += x_offset_ + ((2 * step + x_side_) ^ x_swizzle_) * kChunk;
    weight += weight_offset_ + ((2 * step + weight_side_) ^ weight_swizzle_) * kChunk;
#pragma unroll
    for (int i = 0; i < kRowBlocks; ++i) ldmatrix_x4(to.x[i], x + i * 16 * kDepth);
#pragma unroll
    for (int j = 0; j < kColumnBlocks; j += 2) {
      uint32_t pair[4];
      ldmatrix_x4(pair, weight + j * 8 * kDepth);
      to.weight[j][0] = pair[0];
      to.weight[j][1] = pair[1];
      to.weight[j + 1][0] = pair[2];
      to.weight[j + 1][1] = pair[3];
    }
  }

 private:
  int x_offset_, weight_offset_, x_side_, weight_side_, x_swizzle_, weight_swizzle_;
};

// What the kernel derives from its tile. Outside the kernel, since device code calls no constexpr host functions.
template <int kTile>
struct TileConstants {
  static constexpr Tile kT = kTiles[kTile];
  static constexpr int kThreads = kT.threads();
  static constexpr int kSteps = kT.depth / 16;  // of 16 along the sum, a stage
  static constexpr int kRowBlocks = kT.warp_rows / 16;
  static constexpr int kColumnBlocks = kT.warp_columns / 8;
  static constexpr int kStage = kT.stage_elements();
  static_assert(kSteps % 2 == 0, "fragments alternate between two sets, a stage's first are always in the first");
  static_assert(kT.warps() * kStagedFloats<kColumnBlocks> * 4 <= kT.shared_bytes(), "sums are turned in the ring");
};

template <typename T, int kTile, bool kElements>
__global__ void __launch_bounds__(TileConstants<kTile>::kThreads, kTiles[kTile].resident)
    mma_gemm_kernel(const Gemm g, const GemmGrid grid) {
  follow_earlier_kernels();
  using Constants = TileConstants<kTile>;
  constexpr Tile kT = kTiles[kTile];
  constexpr int kThreads = Constants::kThreads, kSteps = Constants::kSteps, kStage = Constants::kStage;
  constexpr int kRowBlocks = Constants::kRowBlocks, kColumnBlocks = Constants::kColumnBlocks;
  using X = std::conditional_t<kElements, ElementRows<T, kT.rows, kT.depth, kThreads>,
                               ChunkedRows<T, kT.rows, kT.depth, kThreads>>;

  QAVIT_DYNAMIC_SHARED(shared);
  T* const ring = reinterpret_cast<T*>(shared);

  const BlockWork work = block_work(grid, g.groups, static_cast<int>(blockIdx.x));
  const int first_row = work.row_tile * kT.rows, first_column = work.column_tile * kT.columns;
  const X x(g, first_row, work.group);
  const WeightRows<T, kT.columns, kT.depth, kThreads> weights(g, first_column, work.group);

  // Stages are counted along the whole sum: those of the gate's matrix, where there is one, and then the weight's.
  const int matrix_stages = g.leading / kT.depth;
  const int gate_stages = g.gate_weight != nullptr ? matrix_stages : 0;
  const int begin = work.split * grid.split_steps;
  const int end = min(begin + grid.split_steps, gate_stages + matrix_stages);
  const int gate_end = min(gate_stages, end);

  const auto fetch = [&](int stage, int slot) {
    if (stage < end) {
      const bool gated = stage < gate_stages;
      const int k = (gated ? stage : stage - gate_stages) * kT.depth;
      T* const to = ring + slot * kStage;
      x.copy(to, k);
      weights.copy(to + kT.rows * kT.depth, gated ? g.gate_weight : g.weight, k);
    }
    cp_async_commit();  // a group a stage even where it is empty, so that waiting can count them
  };

  const int warp = static_cast<int>(threadIdx.x / 32);
  const int warp_row = warp / (kT.columns / kT.warp_columns) * kT.warp_rows;
  const int warp_column = warp % (kT.columns / kT.warp_columns) * kT.warp_columns;
  const FragmentReader<kT.depth, kRowBlocks, kColumnBlocks> reader(warp_row, warp_column);
  const auto read = [&](int slot, int step, Fragments<kRowBlocks, kColumnBlocks>& to) {
    const T* const stage = ring + slot * kStage;
    reader.read(stage, stage + kT.rows * kT.depth, step, to);
  };

  float sums[kRowBlocks][kColumnBlocks][4] = {};
  Fragments<kRowBlocks, kColumnBlocks> fragments[2];

#pragma unroll
  for (int s = 0; s < kT.stages - 1; ++s) fetch(begin + s, s);
  cp_async_wait<kT.stages - 2>();
  __syncthreads();
  read(0, 0, fragments[0]);

  int slot = 0, freed = kT.stages - 1;  // ring places of the current stage and of the one before
  for (int stage = begin; stage < end; ++stage) {
    const int next = slot + 1 == kT.stages ? 0 : slot + 1;
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      if (step + 1 < kSteps) {
        read(slot, step + 1, fragments[(step + 1) % 2]);
      } else {
        cp_async_wait<kT.stages - 2>();
        __syncthreads();
        if (stage + 1 < end) read(next, 0, fragments[(step + 1) % 2]);
      }
      if (step == 0) fetch(stage + kT.stages - 1, freed);
      const Fragments<kRowBlocks, kColumnBlocks>& f = fragments[step % 2];
#pragma unroll
      for (int i = 0; i < kRowBlocks; ++i) {
#pragma unroll
        for (int j = 0; j < kColumnBlocks; ++j) mma_m16n8k16(sums[i][j], f.x[i], f.weight[j], T{});
      }
    }
    freed = slot;
    slot = next;
    if (stage + 1 == gate_end) {
#pragma unroll
      for (int i = 0; i < kRowBlocks; ++i) {
#pragma unroll
        for (int j = 0; j < kColumnBlocks; ++j) {
#pragma unroll
          for (int v = 0; v < 4; ++v) sums[i][j][v] *= g.epilogue.gate;
        }
      }
    }
  }

  // The ring is free: nothing is in flight, and the last barrier came after the last read of it.
  float* const staging = reinterpret_cast<float*>(shared) + warp * kStagedFloats<kColumnBlocks>;
  const int padded = round_up(g.out, kVector);
#pragma unroll
  for (int i = 0; i < kRowBlocks; ++i) {
    drain_fragment(sums[i], staging, [&](int r, int c, float(&values)[kVector]) {
      const int row = first_row + warp_row + 16 * i + r;
      const int column = first_column + warp_column + c;
      if (row >= g.rows || column >= g.out) return;
      if (grid.partials != nullptr) {
        const int64_t line = static_cast<int64_t>(work.split * g.groups + work.group) * g.rows + row;
        Pack<float, kVector> pack;
#pragma unroll
        for (int v = 0; v < kVector; ++v) pack[v] = values[v];
        pack.store(grid.partials + line * padded + column);
      } else {
        finish_columns(g.epilogue, static_cast<uint32_t>(row), work.group * g.out + column,
                       min(kVector, g.out - column), values);
      }
    });
  }
}

}  // namespace qavit::cuda
