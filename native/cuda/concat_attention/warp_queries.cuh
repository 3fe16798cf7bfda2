// What one warp of mma_attention_kernel.cuh does: its queries, and what it knows of their softmax so far.
#pragma once

#include <cmath>

#include "cuda/concat_attention/shared_tile.cuh"
#include "cuda/device/exp2.cuh"
#include "cuda/device/ldmatrix.cuh"
#include "cuda/device/mma.cuh"
#include "cuda/device/reduce.cuh"
#include "cuda/device/types.cuh"

namespace qavit::cuda {

constexpr int kSlab = 16;  // queries of one mma.sync

// What a head width is computed with. Registers decide: a lane holds kSlabs * kWidth / 2 sums and kSlabs * kKeys / 2
// scores, and at width 128 the queries have to be read again for every tile.
template <int kPaddedWidth>
struct AttentionTiling {
  static constexpr int kWidth = kPaddedWidth;
  static constexpr int kKeys = kWidth <= 64 ? 64 : 32;
  static constexpr bool kQueriesInRegisters = kWidth <= 96;
};

// A warp's queries: running reference and sum of each row's weights, and the weighted sums of values. A lane holds rows
// lane / 4 and lane / 4 + 8 of each slab and of those the columns 2 (lane % 4) and the next of every 8.
template <typename T, int kWidth, int kSlabs>
class WarpQueries {
 public:
  using Tiling = AttentionTiling<kWidth>;
  using Tile = SharedTile<kWidth>;
  static constexpr int kKeys = Tiling::kKeys;
  static constexpr int kSteps = kWidth / 16;  // of the sum over d

  // `tile` holds the block's queries, `first_row` is the warp's first among them.
  __device__ WarpQueries(const T* tile, int first_row) : tile_(tile), first_row_(first_row) {
#pragma unroll
    for (int slab = 0; slab < kSlabs; ++slab) {
#pragma unroll
      for (int half = 0; half < 2; ++half) reference_[slab][half] = -kInfinity;
    }
    if constexpr (Tiling::kQueriesInRegisters) {
#pragma unroll
      for (int slab = 0; slab < kSlabs; ++slab) {
#pragma unroll
        for (int step = 0; step < kSteps; ++step) load_queries(slab, step, queries_[slab][step]);
      }
    }
  }

  // Meets one tile of `count` keys; kWhole says that count is kKeys.
  template <bool kWhole>
  __device__ void attend(const T* k_tile, const T* v_tile, int count, float scale) {
    float scores[kSlabs][kKeys / 8][4] = {};
    multiply_keys<kWhole>(k_tile, count, scores);
    if constexpr (!kWhole) mask(scores, count);
#pragma unroll
    for (int slab = 0; slab < kSlabs; ++slab) weigh<kWhole>(scores[slab], count, slab, scale);
    add_values<kWhole>(v_tile, count, scores);
  }

  // Divides the sums by the weights: the rows are finished.
  __device__ void finish() {
#pragma unroll
    for (int slab = 0; slab < kSlabs; ++slab) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float factor = 1.0f / warp_sum<4>(total_[slab][half]);
#pragma unroll
        for (int j = 0; j < kWidth / 8; ++j) {
          sums_[slab][j][2 * half] *= factor;
          sums_[slab][j][2 * half + 1] *= factor;
        }
      }
    }
  }

  // Writes a slab's sums as rows of f32, `stride` apart.
  __device__ void write(int slab, float* rows, int stride) const {
    float* const to = rows + lane() / 4 * stride + lane() % 4 * 2;
#pragma unroll
    for (int j = 0; j < kWidth / 8; ++j) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        Pack<float, 2> pair;
        pair[0] = sums_[slab][j][2 * half];
        pair[1] = sums_[slab][j][2 * half + 1];
        pair.store(to + half * 8 * stride + 8 * j);
      }
    }
  }

 private:
  __device__ static int lane() { return static_cast<int>(threadIdx.x) % 32; }

  __device__ void load_queries(int slab, int step, uint32_t (&fragment)[4]) const {
    ldmatrix_x4(fragment, tile_ + Tile::place(first_row_ + slab * kSlab + lane() % 16, 2 * step + lane() / 16));
  }

  template <bool kWhole>
  __device__ void multiply_keys(const T* k_tile, int count, float (&scores)[kSlabs][kKeys / 8][4]) const {
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      uint32_t queries[kSlabs][4];
#pragma unroll
      for (int slab = 0; slab < kSlabs; ++slab) {
        if constexpr (Tiling::kQueriesInRegisters) {
#pragma unroll
          for (int i = 0; i < 4; ++i) queries[slab][i] = queries_[slab][step][i];
        } else {
          load_queries(slab, step, queries[slab]);
        }
      }
#pragma unroll
      for (int group = 0; group < kKeys / 16; ++group) {
        if (!kWhole && 16 * group >= count) break;
        // Matrices of 8 keys x 8 columns: [0], [1] the two column halves of the first 8 keys, [2], [3] of the others.
        uint32_t keys[4];
        ldmatrix_x4(keys, k_tile + Tile::place(group * 16 + lane() / 16 * 8 + lane() % 8, 2 * step + lane() / 8 % 2));
        const uint32_t first[2] = {keys[0], keys[1]}, second[2] = {keys[2], keys[3]};
#pragma unroll
        for (int slab = 0; slab < kSlabs; ++slab) {
          mma_m16n8k16(scores[slab][2 * group], queries[slab], first, T{});
          mma_m16n8k16(scores[slab][2 * group + 1], queries[slab], second, T{});
        }
      }
    }
  }

  __device__ static void mask(float (&scores)[kSlabs][kKeys / 8][4], int count) {
#pragma unroll
    for (int slab = 0; slab < kSlabs; ++slab) {
#pragma unroll
      for (int j = 0; j < kKeys / 8; ++j) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          if (8 * j + lane() % 4 * 2 + i % 2 >= count) scores[slab][j][i] = -kInfinity;
        }
      }
    }
  }

  // Scores become weights.
  template <bool kWhole>
  __device__ void weigh(float (&scores)[kKeys / 8][4], int count, int slab, float scale) {
    // How far the reference may lie behind the maximum, in powers of 2.
    constexpr float kLag = 8.0f;
    bool rises = false;
    float correction[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float largest = -kInfinity;
#pragma unroll
      for (int j = 0; j < kKeys / 8; ++j) {
        if (!kWhole && j / 2 * 16 >= count) break;
        largest = fmaxf(largest, fmaxf(scores[j][2 * half], scores[j][2 * half + 1]));
      }
      largest = warp_max<4>(largest);
      const float reference = reference_[slab][half];
      const bool row_rises = (largest - reference) * scale > kLag;
      if (row_rises) reference_[slab][half] = largest;
      correction[half] = row_rises ? exp2_approximate((reference - largest) * scale) : 1.0f;
      rises |= row_rises;
    }
    if (__any_sync(kWholeWarp, rises)) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        total_[slab][half] *= correction[half];
#pragma unroll
        for (int j = 0; j < kWidth / 8; ++j) {
          sums_[slab][j][2 * half] *= correction[half];
          sums_[slab][j][2 * half + 1] *= correction[half];
        }
      }
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float reference = reference_[slab][half];
      // A row that has met only scores of -inf has weights of 0 and no NaN yet.
      const float offset = reference == -kInfinity ? 0.0f : -reference * scale;
#pragma unroll
      for (int j = 0; j < kKeys / 8; ++j) {
        if (!kWhole && j / 2 * 16 >= count) break;
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          scores[j][i] = exp2_approximate(fmaf(scores[j][i], scale, offset));
          total_[slab][half] += scores[j][i];
        }
      }
    }
  }

  template <bool kWhole>
  __device__ void add_values(const T* v_tile, int count, const float (&weights)[kSlabs][kKeys / 8][4]) {
#pragma unroll
    for (int group = 0; group < kKeys / 16; ++group) {
      if (!kWhole && 16 * group >= count) break;
      uint32_t left[kSlabs][4];
#pragma unroll
      for (int slab = 0; slab < kSlabs; ++slab) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const float(&w)[4] = weights[slab][2 * group + i / 2];
          left[slab][i] = pack_pair<T>(w[i % 2 * 2], w[i % 2 * 2 + 1]);
        }
      }
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        // Matrices of 8 keys x 8 columns, transposed: [0], [1] the two halves of the keys at the first 8 columns.
        uint32_t values[4];
        ldmatrix_x4_trans(values, v_tile + Tile::place(group * 16 + lane() % 16, 2 * step + lane() / 16));
        const uint32_t first[2] = {values[0], values[1]}, second[2] = {values[2], values[3]};
#pragma unroll
        for (int slab = 0; slab < kSlabs; ++slab) {
          mma_m16n8k16(sums_[slab][2 * step], left[slab], first, T{});
          mma_m16n8k16(sums_[slab][2 * step + 1], left[slab], second, T{});
        }
      }
    }
  }

  static constexpr float kInfinity = INFINITY;

  const T* tile_;
  int first_row_;
  uint32_t queries_[Tiling::kQueriesInRegisters ? kSlabs : 1][Tiling::kQueriesInRegisters ? kSteps : 1][4];
  float reference_[kSlabs][2];
  float total_[kSlabs][2] = {};
  float sums_[kSlabs][kWidth / 8][4] = {};
};

}  // namespace qavit::cuda
