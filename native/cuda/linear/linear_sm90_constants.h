// What Hopper's product derives from its tile. Members of a type rather than calls in the kernel, since device code
// calls no constexpr host functions.
#pragma once

#include "cuda/device/sm90/swizzle.h"
#include "cuda/linear/linear_sm90_plan.h"

namespace qavit::cuda {

template <int kTile>
struct Sm90Constants {
  static constexpr Sm90Tile kT = kSm90Tiles[kTile];
  static constexpr int kStageBytes = kT.stage_bytes();
  static constexpr int kXBytes = kT.rows * static_cast<int>(sm90::kLineBytes);
  static constexpr int kStagingFloats = kT.staging_bytes() / (kSm90Consumers * 4) / 4;  // a warp
  static constexpr int kPartRows = kT.part_rows();
  static constexpr int kPartColumns = kT.part_columns();
  static constexpr int kParts = kPartRows / 64;                            // wgmmas below each other
  static constexpr int kBlocks = kPartColumns / 8;                         // blocks of 8 columns
  static constexpr int kReaders = (kT.in_turns ? 1 : kSm90Consumers) * 4;  // warps that read a stage
  static_assert(kT.rows % 64 == 0 && kPartColumns % kSm90PieceColumns == 0);
  static_assert(kT.accumulators() <= 128, "a consumer's 232 registers");
};

// Where a consumer's part of a tile begins.
struct Sm90Part {
  int row;
  int column;
};

template <int kTile>
__device__ inline Sm90Part sm90_part(int consumer) {
  using K = Sm90Constants<kTile>;
  return {K::kPartRows < K::kT.rows ? consumer * K::kPartRows : 0,
          K::kPartColumns < K::kT.columns ? consumer * K::kPartColumns : 0};
}

}  // namespace qavit::cuda
