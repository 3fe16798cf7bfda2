// Sums to f32 in memory straight from their registers: two columns a lane, so that four lanes move a whole 32-byte
// sector, with nothing to turn and nobody to wait for.
#pragma once

#include "cuda/device/rounding.h"
#include "cuda/linear/epilogue.cuh"
#include "cuda/linear/gemm.h"
#include "cuda/linear/linear_sm90_sums.cuh"

namespace qavit::cuda {

// y = residual + (sum + bias). All bias and residual elements of 64 columns are asked for before the first is used.
// Rows past the last read the last one's residual, so that no load waits for a branch, and are not stored: what they
// read, finished or not where the residual is y, goes nowhere.
template <bool kResidual, int kTile>
__device__ inline void finish_pairs(const Gemm& g, const Sm90Place& place, const Sm90Sums<kTile>& sums) {
  using K = Sm90Constants<kTile>;
  constexpr int kGroup = kSm90LineColumns / 8;
  const MatrixRows &residual = g.epilogue.residual, &y = g.epilogue.y;
  const float *const bias = g.epilogue.bias, *const summand = static_cast<const float*>(residual.data);
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int column = place.group * g.out + place.column + lane % 4 * 2;
#pragma unroll
  for (int part = 0; part < K::kParts; ++part) {
    const int row = place.row + 64 * part + lane / 4;
    const bool inside[2] = {row < g.rows, row + 8 < g.rows};
    const int64_t from[2] = {min(row, g.rows - 1) * residual.row_stride + column,
                             min(row + 8, g.rows - 1) * residual.row_stride + column};
    float* const upper = static_cast<float*>(y.data) + row * y.row_stride + column;
    float* const to[2] = {upper, upper + 8 * y.row_stride};
#pragma unroll
    for (int first = 0; first < K::kBlocks; first += kGroup) {
      if (place.column + 8 * first >= g.out) break;
      Pack<float, 2> terms[kGroup], summands[kGroup][2];
#pragma unroll
      for (int j = 0; j < kGroup; ++j) {
        const int offset = 8 * (first + j);
        terms[j] = load_pair(bias, column + offset, bias != nullptr);
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          if constexpr (kResidual) summands[j][i] = Pack<float, 2>::load(summand + from[i] + offset);
        }
      }
#pragma unroll
      for (int j = 0; j < kGroup; ++j) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          Pack<float, 2> pair = pair_of(sums[part][first + j], i);
#pragma unroll
          for (int v = 0; v < 2; ++v) {
            pair[v] += terms[j][v];
            if constexpr (kResidual) pair[v] += summands[j][i][v];
          }
          if (inside[i]) pair.store(to[i] + 8 * (first + j));
        }
      }
    }
  }
}

// As they are, for whoever adds them: [splits, groups, rows, out rounded up to a vector].
template <int kTile>
__device__ inline void store_partials(const Gemm& g, float* partials, int split, const Sm90Place& place,
                                      const Sm90Sums<kTile>& sums) {
  using K = Sm90Constants<kTile>;
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int column = place.column + lane % 4 * 2;
  const int padded = round_up(g.out, kVector);
  const int64_t sums_before = static_cast<int64_t>(split * g.groups + place.group) * g.rows;
#pragma unroll
  for (int part = 0; part < K::kParts; ++part) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int row = place.row + 64 * part + lane / 4 + 8 * i;
      float* const to = partials + (sums_before + row) * padded + column;
#pragma unroll
      for (int j = 0; j < K::kBlocks; ++j) {
        if (row < g.rows && column + 8 * j < g.out) pair_of(sums[part][j], i).store(to + 8 * j);
      }
    }
  }
}

}  // namespace qavit::cuda
