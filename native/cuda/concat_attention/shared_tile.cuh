// A tile of rows of one head in shared memory: 2-byte elements, rows padded to kWidth columns and made of 16-byte
// chunks.
//
// ldmatrix reads the same chunk of 8 rows that follow each other, which must lie in 8 different 16-byte columns of the
// 128-byte shared memory line. Where a row is whole lines (width 64, 128), its chunks are permuted by the row (xor);
// elsewhere one unused chunk a row makes the distance of rows odd, which does the same at the price of the chunk:
//
//   width 64                       width 80 (10 chunks and one unused)
//   row 0 | 0 1 2 3 4 5 6 7 |      row 0 starts in column 0
//   row 1 | 1 0 3 2 5 4 7 6 |      row 1 starts in column 3 (11 mod 8)
//   row 2 | 2 3 0 1 6 7 4 5 |      row 2 starts in column 6
//   row 3 | 3 2 1 0 7 6 5 4 |      ...
#pragma once

#include "cuda/runtime.h"

namespace qavit::cuda {

constexpr int kChunk = 8;  // elements of 16 bytes

template <int kWidth>
struct SharedTile {
  static constexpr int kChunks = kWidth / kChunk;
  static constexpr bool kPermuted = kChunks % 8 == 0;
  static constexpr int kRow = kPermuted ? kWidth : (kChunks | 1) * kChunk;  // elements between rows
  static_assert(kWidth % 16 == 0, "a row is whole steps of mma.sync");

  // Element offset of a chunk.
  __device__ static int place(int row, int chunk) {
    return row * kRow + (kPermuted ? chunk ^ (row & 7) : chunk) * kChunk;
  }
};

}  // namespace qavit::cuda
