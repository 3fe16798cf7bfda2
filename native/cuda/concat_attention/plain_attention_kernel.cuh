// concat_attention in f32 multiply-adds (no TF32), for f32 operands and for what the tensor cores' kernel does not
// take: unaligned rows, head widths that are no multiple of 8 or above 128, a scale of 0 or below.
//
//   out[m, :] = sum_j p_mj v_j / sum_j p_mj,   p_mj = 2^(s_mj - max_j s_mj),   s_mj = q_m . k_j * scale * log2(e)
//
// A block has 32 queries and goes through tiles of 32 keys once (plain_tiles.cuh). K and V tiles take turns in one
// piece of shared memory, so that width 256 fits everywhere. A thread adds up the columns part, part + 8, ... of its
// query. For checking and for odd models, not for speed: a shared memory read for almost every multiply-add.
#pragma once

#include "cuda/concat_attention/plain_tiles.cuh"
#include "cuda/device/dependent_launch.cuh"
#include "cuda/device/shared.cuh"

namespace qavit::cuda {

constexpr int kPlainWeightRow = kPlainTile + 1;

// Queries, keys or values, weights.
inline size_t plain_attention_shared_bytes(int width) {
  return sizeof(float) * (2 * kPlainTile * static_cast<size_t>(plain_row(width)) + kPlainTile * kPlainWeightRow);
}

// kColumns: of one thread; 8 kColumns is at least D.
template <int kColumns>
__global__ void __launch_bounds__(kPlainThreads, 2) plain_attention_kernel(const Attention a, const int query_tiles) {
  follow_earlier_kernels();
  QAVIT_DYNAMIC_SHARED(shared);
  float* const queries = reinterpret_cast<float*>(shared);
  float* const rows = queries + kPlainTile * plain_row(a.width);
  float* const weights = rows + kPlainTile * plain_row(a.width) + plain_query() * kPlainWeightRow;

  const AttentionWork work = attention_work(a, query_tiles);
  const PlainKeyTiles keys(question_keys(a, work.batch), a.key_rows);
  const int first_query = work.query_tile * kPlainTile;
  const int count = min(kPlainTile, a.query_rows - first_query);
  load_plain_rows(queries, a.q, a, work, first_query, 0, count);

  // Threads without a query go along, with whatever lies in shared memory, and store nothing.
  PlainSoftmax softmax;
  float sums[kColumns] = {};
  for (int tile = 0; tile < keys.tiles; ++tile) {
    __syncthreads();  // the values of the tile before have been read
    load_plain_keys(rows, keys, tile, a.question_k, a.k, a, work);
    __syncthreads();
    float scores[kPlainKeys];
    plain_scores(queries, rows, keys.count(tile), a, scores);
    const float correction = softmax.add(scores);
#pragma unroll
    for (int i = 0; i < kPlainKeys; ++i) weights[plain_part() + i * kPlainParts] = scores[i];
    __syncthreads();  // the keys have been read; the weights are there
    load_plain_keys(rows, keys, tile, a.question_v, a.v, a, work);
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kColumns; ++i) {
      const int column = plain_part() + i * kPlainParts;
      if (column >= a.width) continue;
      float sum = sums[i] * correction;
      for (int key = 0; key < keys.count(tile); ++key) {
        sum = fmaf(weights[key], rows[key * plain_row(a.width) + column], sum);
      }
      sums[i] = sum;
    }
  }

  const float total = warp_sum<kPlainParts>(softmax.total);
  if (plain_query() >= count) return;
  const int64_t to = element_offset(a.out, a, work, first_query + plain_query());
#pragma unroll
  for (int i = 0; i < kColumns; ++i) {
    const int column = plain_part() + i * kPlainParts;
    if (column < a.width) store_element(a.out.data, a.out_dtype, to + column, sums[i] / total);
  }
}

}  // namespace qavit::cuda
