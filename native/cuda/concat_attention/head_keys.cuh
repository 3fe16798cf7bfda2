// The keys of one head of one sample, and the order in which they are met.
//
// A softmax does not mind the order of its keys, so they are dealt into tiles of kKeys such that only the last tile of
// the first, ragged kind holds fewer: the question's rows together with the visual rows that do not fill a tile (the
// class token, usually: 577 = 9 * 64 + 1, 257 = 4 * 64 + 1), then whole tiles of the other visual rows.
//
//   tile 0                          tile 1              tile 2
//   | question 0..L-1 | visual 0..r-1 | nothing |  | visual r..r+63 |  | visual r+64..r+127 |  ...
//
// With L = 0 these are the tiles of plain attention, in its order: the same bits come out.
#pragma once

#include "cuda/concat_attention/attention.h"
#include "cuda/runtime.h"

namespace qavit::cuda {

__device__ inline AttentionWork attention_work(const Attention& a, int query_tiles) {
  const int head = static_cast<int>(blockIdx.x) / query_tiles;
  return {head / a.heads, head % a.heads, static_cast<int>(blockIdx.x) % query_tiles};
}

// Keys that a sample's question has. A length outside 0..K is the caller's mistake; it must not become a read outside
// the operand.
__device__ inline int question_keys(const Attention& a, int batch) {
  if (a.question_k.data == nullptr) return 0;
  if (a.question_lengths == nullptr) return a.question_rows;
  return min(max(a.question_lengths[batch], 0), a.question_rows);
}

// Where the part of row `row` that belongs to a head begins, in elements.
__device__ inline int64_t element_offset(const HeadRows& rows, const Attention& a, const AttentionWork& work, int row) {
  return work.batch * rows.batch_stride + row * rows.row_stride + static_cast<int64_t>(work.head) * a.width;
}

// A head's first row; null where the operand is absent.
template <typename T>
__device__ inline const T* head_rows(const HeadRows& rows, const Attention& a, const AttentionWork& work) {
  return rows.data == nullptr ? nullptr : static_cast<const T*>(rows.data) + element_offset(rows, a, work, 0);
}

template <int kKeys>
struct KeyTiles {
  int question;      // L
  int ragged;        // L + r
  int ragged_tiles;  // tiles made of those
  int tiles;

  __device__ KeyTiles(int question_keys, int key_rows)
      : question(question_keys),
        ragged(question_keys + key_rows % kKeys),
        ragged_tiles((ragged + kKeys - 1) / kKeys),
        tiles(ragged_tiles + key_rows / kKeys) {}

  __device__ bool is_ragged(int tile) const { return tile < ragged_tiles; }
  // Keys of a tile.
  __device__ int count(int tile) const { return is_ragged(tile) ? min(kKeys, ragged - tile * kKeys) : kKeys; }
  // The visual row that a tile which is not ragged begins with.
  __device__ int first_row(int tile) const { return ragged - question + (tile - ragged_tiles) * kKeys; }
};

}  // namespace qavit::cuda
