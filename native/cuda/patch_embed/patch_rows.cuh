// How pixels become a tile of the left operand in shared memory.
//
// Bytes go through registers, since they have to become bf16 or f16, in which 0 to 255 are exact: load() starts the
// reads of one tile and store(), a tile's worth of multiplications later, converts and writes. Tiles lie as those of
// linear (tile_copy.cuh). A thread's chunk of 8 elements is read in pieces that no end of a run cuts and that are
// aligned: 8 bytes where P is a multiple of 8, 2 bytes where it is even (14), else single ones. Neighbouring patches
// lie side by side in an image row, so that even single bytes of a warp come from a few lines.
#pragma once

#include "cuda/device/types.cuh"
#include "cuda/linear/tile_copy.cuh"
#include "cuda/patch_embed/patch_product.cuh"

namespace qavit::cuda {

template <typename T, int kRows, int kDepth, int kThreads, int kPiece>
class PatchRows {
 public:
  // Rows past the last repeat it: their sums are not stored.
  __device__ PatchRows(const PatchProduct& p, int first_row)
      : run_(p.pixels.run), row_stride_(p.pixels.row_stride), in_(p.product.in) {
#pragma unroll
    for (int i = 0; i < Map::kCount; ++i) {
      const int row = min(first_row + Map::first_row() + i * Map::kRowStep, p.product.rows - 1);
      corner_[i] = patch_corner(p.pixels, static_cast<uint32_t>(row));
    }
  }

  // Columns [k, k + kDepth). Past the end of the patch any of its bytes will do: the weights are zeros there and a byte
  // is never a NaN.
  __device__ void load(int k) {
    k += Map::chunk() * kChunk;
    const int y = static_cast<int>(static_cast<uint32_t>(k) / static_cast<uint32_t>(run_));
    int x = k - y * run_;
    int offset = y * row_stride_ + x;
#pragma unroll
    for (int piece = 0; piece < kPieces; ++piece) {
      const int inside = k + piece * kPiece < in_ ? offset : 0;
#pragma unroll
      for (int i = 0; i < Map::kCount; ++i) bytes_[i][piece] = Bytes::load(corner_[i] + inside);
      x += kPiece;
      offset += kPiece;
      if (x == run_) {
        x = 0;
        offset += row_stride_ - run_;
      }
    }
  }

  __device__ void store(T* tile) const {
#pragma unroll
    for (int i = 0; i < Map::kCount; ++i) {
      Pack<T, kChunk> chunk;
#pragma unroll
      for (int j = 0; j < kChunk; ++j) chunk[j] = from_float<T>(static_cast<float>(bytes_[i][j / kPiece][j % kPiece]));
      chunk.store_shared(tile + Map::place(i));
    }
  }

 private:
  using Map = ChunkMap<kRows, kDepth, kThreads>;
  using Bytes = Pack<uint8_t, kPiece>;
  static constexpr int kPieces = kChunk / kPiece;

  const uint8_t* corner_[Map::kCount];
  int run_, row_stride_, in_;
  Bytes bytes_[Map::kCount][kPieces];
};

}  // namespace qavit::cuda
