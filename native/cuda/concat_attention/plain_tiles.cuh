// The pieces of attention in plain f32 multiply-adds: tiles of 32 rows, made of any dtype at any alignment.
//
// 256 threads share a tile of 32 queries x 32 keys such that 8 neighbouring lanes have one query, and lane `part` of
// them the keys part, part + 8, part + 16, part + 24. A row's softmax is then a matter of three shuffles.
#pragma once

#include <cmath>

#include "cuda/concat_attention/head_keys.cuh"
#include "cuda/concat_attention/stored_elements.cuh"
#include "cuda/device/reduce.cuh"

namespace qavit::cuda {

constexpr int kPlainTile = 32;  // queries, and keys
constexpr int kPlainThreads = 256;
constexpr int kPlainParts = kPlainThreads / kPlainTile;  // lanes of one query
constexpr int kPlainKeys = kPlainTile / kPlainParts;     // keys of one lane

using PlainKeyTiles = KeyTiles<kPlainTile>;

// Floats between rows of a tile: odd, so that the 8 rows that a warp reads lie in 8 banks.
__host__ __device__ constexpr int plain_row(int width) { return width | 1; }

__device__ inline int plain_query() { return static_cast<int>(threadIdx.x) / kPlainParts; }
__device__ inline int plain_part() { return static_cast<int>(threadIdx.x) % kPlainParts; }

// Rows first_row.. of one head into the tile's rows from `to` up to `end`, a warp a row.
__device__ inline void load_plain_rows(float* tile, const HeadRows& rows, const Attention& a, const AttentionWork& work,
                                       int first_row, int to, int end) {
  for (int row = to + static_cast<int>(threadIdx.x) / 32; row < end; row += kPlainThreads / 32) {
    const int64_t from = element_offset(rows, a, work, first_row + row - to);
    for (int column = static_cast<int>(threadIdx.x) % 32; column < a.width; column += 32) {
      tile[row * plain_row(a.width) + column] = load_element(rows.data, a.dtype, from + column);
    }
  }
}

// The rows of a tile of keys, or of values where the operands say so.
__device__ inline void load_plain_keys(float* tile, const PlainKeyTiles& keys, int index, const HeadRows& question,
                                       const HeadRows& visual, const Attention& a, const AttentionWork& work) {
  const int count = keys.count(index);
  int from_question = 0;
  int first_visual = keys.first_row(index);
  if (keys.is_ragged(index)) {
    const int first = index * kPlainTile;
    from_question = min(max(keys.question - first, 0), count);
    first_visual = max(first - keys.question, 0);
  }
  load_plain_rows(tile, question, a, work, index * kPlainTile, 0, from_question);
  load_plain_rows(tile, visual, a, work, first_visual, from_question, count);
}

// Scores of this thread's query with its keys of the tile, in powers of 2; -inf for keys past `count`.
__device__ inline void plain_scores(const float* queries, const float* keys, int count, const Attention& a,
                                    float (&scores)[kPlainKeys]) {
  const float* query = queries + plain_query() * plain_row(a.width);
#pragma unroll
  for (int i = 0; i < kPlainKeys; ++i) {
    const int key = plain_part() + i * kPlainParts;
    float sum = 0.0f;
    if (key < count) {
      for (int d = 0; d < a.width; ++d) sum = fmaf(query[d], keys[key * plain_row(a.width) + d], sum);
    }
    scores[i] = key < count ? sum * a.scale : -INFINITY;
  }
}

// A row's softmax while its keys pass by: their maximum, and this lane's part of the sum.
struct PlainSoftmax {
  float largest = -INFINITY;
  float total = 0.0f;

  // Makes weights of the scores. Returns by how much all weights so far were too large.
  __device__ float add(float (&scores)[kPlainKeys]) {
    float next = largest;
#pragma unroll
    for (int i = 0; i < kPlainKeys; ++i) next = fmaxf(next, scores[i]);
    next = warp_max<kPlainParts>(next);
    const float correction = weight(largest, next);
    total *= correction;
    largest = next;
#pragma unroll
    for (int i = 0; i < kPlainKeys; ++i) {
      scores[i] = weight(scores[i], largest);
      total += scores[i];
    }
    return correction;
  }

  // 0 and not NaN where there have only been scores of -inf.
  __device__ static float weight(float score, float reference) {
    return exp2f(reference == -INFINITY ? score : score - reference);
  }
};

}  // namespace qavit::cuda
