// Sums to 16-bit results in whole 128-byte lines: 16 rows x 64 columns are finished in their registers, 32 elements a
// lane with nothing between them to wait for, and turned through the warp's own shared memory when they are narrow.
//
// A row of 128 bytes is 8 chunks, of which one lane stores one; chunk c of row r lies at place c ^ (r % 8). The 8 rows
// that a warp writes at once, 16 bytes each, then meet 32 different banks, and so do the 8 lanes that read one row.
#pragma once

#include <type_traits>

#include "cuda/linear/epilogue.cuh"
#include "cuda/linear/gemm.h"
#include "cuda/linear/linear_sm90_sums.cuh"

namespace qavit::cuda {

// y = activation(sum + bias). `staging` is the warp's own.
template <typename T, Activation kActivation, int kTile>
__device__ inline void finish_lines(const Gemm& g, const Sm90Place& place, const Sm90Sums<kTile>& sums,
                                    float* staging) {
  using K = Sm90Constants<kTile>;
  constexpr int kBlocks = kSm90LineColumns / 8;
  constexpr int kLine = kSm90LineColumns / 2;  // words
  static_assert(16 * kLine <= K::kStagingFloats);
  const MatrixRows& y = g.epilogue.y;
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int column = place.group * g.out + place.column;
  auto* const lines = reinterpret_cast<uint32_t*>(staging);
  const float* const terms = g.epilogue.bias;
  uint32_t* const write = lines + lane / 4 * kLine + lane % 4;
#pragma unroll
  for (int part = 0; part < K::kParts; ++part) {
    const int row = place.row + 64 * part + lane / 8;
    T* const to = static_cast<T*>(y.data) + row * y.row_stride + column + lane % 8 * 8;
#pragma unroll
    for (int first = 0; first < K::kBlocks; first += kBlocks) {
      if (place.column + 8 * first >= g.out) break;
      Pack<float, 2> bias[kBlocks];
#pragma unroll
      for (int j = 0; j < kBlocks; ++j)
        bias[j] = load_pair(terms, column + lane % 4 * 2 + 8 * (first + j), terms != nullptr);
      uint32_t pairs[kBlocks][2];
#pragma unroll
      for (int j = 0; j < kBlocks; ++j) {
        float values[4];
#pragma unroll
        for (int v = 0; v < 4; ++v) values[v] = sums[part][first + j][v] + bias[j][v % 2];
        activate_columns<kActivation, std::is_same_v<T, bf16>>(values);
        pairs[j][0] = pack_pair<T>(values[0], values[1]);
        pairs[j][1] = pack_pair<T>(values[2], values[3]);
      }
      __syncwarp();  // the lines before these have been read
#pragma unroll
      for (int j = 0; j < kBlocks; ++j) {
        uint32_t* const at = write + (j ^ lane / 4) * 4;
        at[0] = pairs[j][0];
        at[8 * kLine] = pairs[j][1];
      }
      __syncwarp();
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int line = 4 * i + lane / 8;
        const auto chunk = Pack<uint32_t, 4>::load(lines + line * kLine + (lane % 8 ^ line % 8) * 4);
        chunk.store_global(reinterpret_cast<uint32_t*>(to + 4 * i * y.row_stride + 8 * first), row + 4 * i < g.rows);
      }
    }
  }
}

}  // namespace qavit::cuda
