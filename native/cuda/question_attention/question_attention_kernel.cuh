// out[m, j] = 1/H sum_h 2^(s_hmj - max_hm) / sum_i 2^(s_hmi - max_hm): the question's columns of concat_attention's
// softmax, averaged over heads; 0 for columns past a sample's length. s = q k^T * scale * log2(e), i over all keys.
//
// A block has 32 queries of one sample and goes through the heads one after the other, through a head's keys twice: all
// of them for maximum and sum, the question's again for their columns. The mean grows in `out` itself, each element by
// the thread that owns it, so that K has no limit and the order of the sum is fixed. A picture is made of it, not a
// forward pass: plain f32 throughout.
#pragma once

#include "cuda/concat_attention/plain_tiles.cuh"
#include "cuda/device/dependent_launch.cuh"
#include "cuda/device/shared.cuh"

namespace qavit::cuda {

inline size_t question_attention_shared_bytes(int width) {
  return sizeof(float) * 2 * kPlainTile * static_cast<size_t>(plain_row(width));
}

__global__ void __launch_bounds__(kPlainThreads, 2)
    question_attention_kernel(const Attention a, const int query_tiles) {
  follow_earlier_kernels();
  QAVIT_DYNAMIC_SHARED(shared);
  float* const queries = reinterpret_cast<float*>(shared);
  float* const rows = queries + kPlainTile * plain_row(a.width);

  AttentionWork work = {static_cast<int>(blockIdx.x) / query_tiles, 0, static_cast<int>(blockIdx.x) % query_tiles};
  const int length = question_keys(a, work.batch);
  const PlainKeyTiles keys(length, a.key_rows);
  const int first_query = work.query_tile * kPlainTile;
  const int count = min(kPlainTile, a.query_rows - first_query);
  float* const out = static_cast<float*>(a.out.data) + work.batch * a.out.batch_stride +
                     static_cast<int64_t>(first_query + plain_query()) * a.out.row_stride;

  for (; work.head < a.heads; ++work.head) {
    __syncthreads();  // the head before this one is done
    load_plain_rows(queries, a.q, a, work, first_query, 0, count);
    PlainSoftmax softmax;
    float scores[kPlainKeys];
    for (int tile = 0; tile < keys.tiles; ++tile) {
      __syncthreads();
      load_plain_keys(rows, keys, tile, a.question_k, a.k, a, work);
      __syncthreads();
      plain_scores(queries, rows, keys.count(tile), a, scores);
      softmax.add(scores);
    }
    const float share = 1.0f / (warp_sum<kPlainParts>(softmax.total) * static_cast<float>(a.heads));

    for (int first = 0; first < a.question_rows; first += kPlainTile) {
      const int valid = min(max(length - first, 0), kPlainTile);
      __syncthreads();
      load_plain_rows(rows, a.question_k, a, work, first, 0, valid);
      __syncthreads();
      plain_scores(queries, rows, valid, a, scores);
      if (plain_query() >= count) continue;
#pragma unroll
      for (int i = 0; i < kPlainKeys; ++i) {
        const int key = plain_part() + i * kPlainParts;
        if (first + key >= a.question_rows) continue;
        const float mean = key < valid ? PlainSoftmax::weight(scores[i], softmax.largest) * share : 0.0f;
        out[first + key] = work.head == 0 ? mean : out[first + key] + mean;
      }
    }
  }
}

}  // namespace qavit::cuda
