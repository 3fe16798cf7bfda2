// A consumer warp's sums, as wgmma leaves them in its registers.
#pragma once

#include "cuda/device/types.cuh"
#include "cuda/linear/linear_sm90_constants.h"

namespace qavit::cuda {

// sums[p][j] of a lane: columns 8 j + 2 (lane % 4) and the next of row 64 p + lane / 4, and the same of 8 rows below.
template <int kTile>
using Sm90Sums = float[Sm90Constants<kTile>::kParts][Sm90Constants<kTile>::kBlocks][4];

// Where the first of them belongs; the column is counted within its group.
struct Sm90Place {
  int group;
  int row;
  int column;
};

// Columns that the faster ways of finishing take at a time: a line of 16-bit results, two of f32.
constexpr int kSm90LineColumns = 64;

// Of the upper row (0) or the one 8 below it (1).
__device__ inline Pack<float, 2> pair_of(const float (&sums)[4], int lower) {
  Pack<float, 2> pair;
  pair[0] = sums[2 * lower];
  pair[1] = sums[2 * lower + 1];
  return pair;
}

// From `at` on, where `present`: what is absent is -0, which leaves every sum as it is, 0 too.
__device__ inline Pack<float, 2> load_pair(const float* from, int64_t at, bool present) {
  Pack<float, 2> pair;
  pair[0] = pair[1] = -0.0f;
  if (present) pair = Pack<float, 2>::load(from + at);
  return pair;
}

}  // namespace qavit::cuda
