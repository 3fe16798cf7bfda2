// How operand tiles get into shared memory, and where their elements lie there.
//
// A tile is [rows, kDepth] of 2-byte elements, row by row, each row a few chunks of 16 bytes. ldmatrix reads the same
// chunk of 8 rows at once, which must lie in 8 different 16-byte columns of the 128-byte shared memory line; so a
// row's chunks are permuted by the line it lies in (xor, within one row, so that a line is still written whole).
//
//   kDepth 32: 2 rows a line, 4 chunks a row           kDepth 64: 1 row a line, 8 chunks a row
//   line 0 | r0: 0 1 2 3 | r1: 0 1 2 3 |               r0: 0 1 2 3 4 5 6 7
//   line 1 | r2: 1 0 3 2 | r3: 1 0 3 2 |               r1: 1 0 3 2 5 4 7 6
//   line 2 | r4: 2 3 0 1 | r5: 2 3 0 1 |               r2: 2 3 0 1 6 7 4 5
//   line 3 | r6: 3 2 1 0 | r7: 3 2 1 0 |               ...
//
// Rows and columns past the operand's end repeat its last row: they reach only sums that nobody stores, so nothing has
// to be cleared for them. Elements past the end of a sum must be zeros, whatever lies behind a row of x: the weights'
// zero padding does not help against a NaN there.
#pragma once

#include "cuda/device/cp_async.cuh"
#include "cuda/device/types.cuh"
#include "cuda/linear/epilogue.cuh"
#include "cuda/linear/gemm.h"

namespace qavit::cuda {

constexpr int kChunk = 8;  // elements of 16 bytes

template <int kDepth>
__device__ inline int swizzled(int row, int chunk) {
  constexpr int kChunks = kDepth / kChunk;
  constexpr int kRowsPerLine = 8 / kChunks;
  return chunk ^ (row / kRowsPerLine % kChunks);
}

// Which chunks of a [kRows, kDepth] tile a thread copies: one every kRowStep rows, in the same place of its row.
template <int kRows, int kDepth, int kThreads>
struct ChunkMap {
  static constexpr int kChunks = kDepth / kChunk;
  static constexpr int kRowStep = kThreads / kChunks;
  static constexpr int kCount = kRows / kRowStep;
  static_assert(kRowStep % 8 == 0 && kRows % kRowStep == 0, "a thread's rows must be swizzled alike");

  __device__ static int first_row() { return static_cast<int>(threadIdx.x) / kChunks; }
  __device__ static int chunk() { return static_cast<int>(threadIdx.x) % kChunks; }
  // Element offset of the thread's i-th chunk in the tile.
  __device__ static int place(int i) {
    return (first_row() + i * kRowStep) * kDepth + swizzled<kDepth>(first_row(), chunk()) * kChunk;
  }
};

// x rows [first_row, first_row + kRows) of one group, 16 bytes a copy, asynchronously.
template <typename T, int kRows, int kDepth, int kThreads>
class ChunkedRows {
 public:
  __device__ ChunkedRows(const Gemm& g, int first_row, int group) : in_(g.in) {
#pragma unroll
    for (int i = 0; i < Map::kCount; ++i) {
      const int row = min(first_row + Map::first_row() + i * Map::kRowStep, g.rows - 1);
      from_[i] = static_cast<const T*>(g.x.data) + row_offset(g.x, g.batch_rows, static_cast<uint32_t>(row)) +
                 static_cast<int64_t>(group) * g.in;
    }
  }

  // Columns [k, k + kDepth), zeros past the end.
  __device__ void copy(T* tile, int k) const {
    const int column = k + Map::chunk() * kChunk;
#pragma unroll
    for (int i = 0; i < Map::kCount; ++i) cp_async_16(tile + Map::place(i), from_[i] + column, column < in_);
  }

 private:
  using Map = ChunkMap<kRows, kDepth, kThreads>;
  const T* from_[Map::kCount];
  int in_;
};

__device__ inline float load_element(const MatrixRows& m, int64_t offset) {
  switch (m.dtype) {
    case DType::kBF16:
      return to_float(static_cast<const bf16*>(m.data)[offset]);
    case DType::kF16:
      return to_float(static_cast<const f16*>(m.data)[offset]);
    default:
      return static_cast<const float*>(m.data)[offset];
  }
}

// The same element by element, for any alignment, width and dtype; rounds to T. The writes are ordinary ones: a stage
// is read only after a __syncthreads() that follows its copy, asynchronous or not.
template <typename T, int kRows, int kDepth, int kThreads>
class ElementRows {
 public:
  __device__ ElementRows(const Gemm& g, int first_row, int group) : x_(g.x), in_(g.in) {
#pragma unroll
    for (int i = 0; i < Map::kCount; ++i) {
      const int row = min(first_row + Map::first_row() + i * Map::kRowStep, g.rows - 1);
      from_[i] = row_offset(g.x, g.batch_rows, static_cast<uint32_t>(row)) + static_cast<int64_t>(group) * g.in;
    }
  }

  __device__ void copy(T* tile, int k) const {
    const int column = k + Map::chunk() * kChunk;
#pragma unroll
    for (int i = 0; i < Map::kCount; ++i) {
      Pack<T, kChunk> pack;
#pragma unroll
      for (int j = 0; j < kChunk; ++j) {
        pack[j] = from_float<T>(column + j < in_ ? load_element(x_, from_[i] + column + j) : 0.0f);
      }
      pack.store(tile + Map::place(i));
    }
  }

 private:
  using Map = ChunkMap<kRows, kDepth, kThreads>;
  const MatrixRows& x_;
  int64_t from_[Map::kCount];
  int in_;
};

// Weight rows [first, first + kRows) of one group: aligned and padded by upload, so always in chunks. Offsets fit an
// int because no weight row is longer than kMaxIn.
template <typename T, int kRows, int kDepth, int kThreads>
class WeightRows {
 public:
  __device__ WeightRows(const Gemm& g, int first, int group)
      : origin_((static_cast<int64_t>(group) * g.out + first) * g.leading + Map::chunk() * kChunk) {
#pragma unroll
    for (int i = 0; i < Map::kCount; ++i) {
      from_[i] = min(Map::first_row() + i * Map::kRowStep, g.out - 1 - first) * g.leading;
    }
  }

  __device__ void copy(T* tile, const void* weight, int k) const {
    const T* from = static_cast<const T*>(weight) + origin_ + k;
#pragma unroll
    for (int i = 0; i < Map::kCount; ++i) cp_async_16(tile + Map::place(i), from + from_[i], true);
  }

 private:
  using Map = ChunkMap<kRows, kDepth, kThreads>;
  int64_t origin_;
  int from_[Map::kCount];
};

}  // namespace qavit::cuda
