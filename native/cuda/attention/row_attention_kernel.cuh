// A transformer's own attention (core/ops.h), a block for each query row of a head, in f32 multiply-adds:
//
//   out = sum_j w_j v_j / sum_j w_j,   w_j = 2^(s_j - max_j s_j),   s_j = (q . k_j * scale + bias(j - p)) * log2(e)
//
// over the keys j that the row may see, p being its own position among them. The warps of a block deal the keys out, 32
// at a time: a lane takes one key's score, and for the values one of every 32 columns. Each warp has a softmax of its
// own, with the largest score so far as its reference; at the end they are brought to one reference and added up in the
// order of the warps.
//
//   warp 0   keys 0-31    keys 256-287 ...    scores: a lane a key      |s|s|s| ... |s|
//   warp 1   keys 32-63   keys 288-319 ...    sums:   a lane a column   |o|o|o| ... |o|  + 32 ...
//   ...
//
// It is made for what a language model does most: one query after another against a cache, where only reading keys and
// values counts and every head is another block. An encoder's many rows read the same keys from L1 and L2 again, which
// tensor cores would not; modest there. Prediction, never run on a GPU yet: T5 base over 609 rows, 4.5 M scores a
// layer, 0.2 ms; a step of its decoder 10 us a layer, most of it waiting.
//
// Keys that a row does not see are not read. A lane's key is read in runs of 16 bytes where addresses allow it.
#pragma once

#include <cmath>

#include "cuda/concat_attention/attention.h"
#include "cuda/concat_attention/stored_elements.cuh"
#include "cuda/device/dependent_launch.cuh"
#include "cuda/device/reduce.cuh"
#include "cuda/device/runs.cuh"

namespace qavit::cuda {

struct RowAttention {
  HeadRows q, k, v, out;
  const int32_t* lengths = nullptr;  // in device memory; null = key_rows for all
  const float* bias = nullptr;       // [H, 2 farthest + 1] or null
  int farthest = 0;                  // R
  DType out_dtype = DType::kF32;
  bool keys_in_runs = false;  // whether k can be read kRun elements at a time
  bool causal = false;
  int query_rows = 0;  // M
  int key_rows = 0;    // N
  int heads = 0;       // H
  int width = 0;       // D
  float scale = 0.0f;
};

constexpr int kRowWarps = 8;
constexpr int kRowThreads = 32 * kRowWarps;

// Which row of which head a block has, and the keys that it sees.
struct AttentionRow {
  int batch, head, row;
  int position;  // p
  int visible;   // keys
};

__device__ inline AttentionRow attention_row(const RowAttention& a) {
  const int block = static_cast<int>(blockIdx.x);
  const int head = block / a.query_rows % a.heads;
  AttentionRow at = {block / a.query_rows / a.heads, head, block % a.query_rows, 0, 0};
  // A length outside its range is the caller's mistake; it must not become a read outside the operands.
  const int fewest = a.causal ? a.query_rows : 1;
  const int length = a.lengths == nullptr ? a.key_rows : min(max(a.lengths[at.batch], fewest), a.key_rows);
  at.position = a.causal ? length - a.query_rows + at.row : at.row;
  at.visible = a.causal ? at.position + 1 : length;
  return at;
}

// The head's part of a row.
template <typename T>
__device__ inline const T* row_of_head(const HeadRows& rows, const RowAttention& a, const AttentionRow& at, int row) {
  return static_cast<const T*>(rows.data) + at.batch * rows.batch_stride + row * rows.row_stride +
         static_cast<int64_t>(at.head) * a.width;
}

// 0 and not NaN where there have only been scores of -inf.
__device__ inline float softmax_weight(float score, float reference) {
  return exp2f(reference == -INFINITY ? score : score - reference);
}

// q . k, the query in shared memory.
template <typename T>
__device__ inline float dot_key(const RowAttention& a, const float* query, const T* key) {
  float sum = 0.0f;
  int column = 0;
  if (a.keys_in_runs) {
#pragma unroll 2
    for (; column + kRun <= a.width; column += kRun) {
      const Pack<T, kRun> run = Pack<T, kRun>::load(key + column);
#pragma unroll
      for (int i = 0; i < kRun; ++i) sum = fmaf(query[column + i], to_float(run[i]), sum);
    }
  }
  for (; column < a.width; ++column) sum = fmaf(query[column], to_float(key[column]), sum);
  return sum;
}

// A score in powers of 2.
template <typename T>
__device__ inline float score_of(const RowAttention& a, const AttentionRow& at, const float* query, int key) {
  constexpr float kLog2E = 1.44269504f;
  float score = dot_key(a, query, row_of_head<T>(a.k, a, at, key)) * a.scale;
  if (a.bias != nullptr) {
    const int distance = min(max(key - at.position, -a.farthest), a.farthest);
    score += a.bias[static_cast<int64_t>(at.head) * (2 * a.farthest + 1) + distance + a.farthest];
  }
  return score * kLog2E;
}

// What a warp knows of its keys.
template <int kColumns>
struct RowSums {
  float largest = -INFINITY;
  float total = 0.0f;  // of this lane's keys' weights
  float sums[kColumns] = {};

  // Meets the keys [first, first + 32) that are visible. `weights` is the warp's own.
  template <typename T>
  __device__ void attend(const RowAttention& a, const AttentionRow& at, const float* query, int first, float* weights) {
    const int lane = static_cast<int>(threadIdx.x % 32);
    const int count = min(32, at.visible - first);
    const float score = lane < count ? score_of<T>(a, at, query, first + lane) : -INFINITY;
    const float next = fmaxf(largest, warp_max(score));
    const float correction = softmax_weight(largest, next);
    largest = next;
    const float weight = softmax_weight(score, next);
    total = total * correction + weight;
    weights[lane] = weight;
    __syncwarp();
#pragma unroll
    for (int i = 0; i < kColumns; ++i) sums[i] *= correction;
    const T* value = row_of_head<T>(a.v, a, at, first);
#pragma unroll 4
    for (int key = 0; key < count; ++key, value += a.v.row_stride) {
#pragma unroll
      for (int i = 0; i < kColumns; ++i) {
        const int column = lane + 32 * i;
        if (column < a.width) sums[i] = fmaf(weights[key], to_float(value[column]), sums[i]);
      }
    }
    __syncwarp();  // the weights have been read
  }
};

// kColumns: of one lane; 32 kColumns is at least D. 2: left alone, the compiler aims at 4 blocks and spills.
template <typename T, int kColumns>
__global__ void __launch_bounds__(kRowThreads, 2) row_attention_kernel(const RowAttention a) {
  follow_earlier_kernels();
  __shared__ float query[32 * kColumns];
  __shared__ float weights[kRowWarps][32];
  __shared__ float sums[kRowWarps][32 * kColumns];
  __shared__ float largest[kRowWarps], total[kRowWarps];
  const AttentionRow at = attention_row(a);
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32;
  const T* const q = row_of_head<T>(a.q, a, at, at.row);
  for (int column = thread; column < a.width; column += kRowThreads) query[column] = to_float(q[column]);
  __syncthreads();

  RowSums<kColumns> own;
  for (int first = 32 * warp; first < at.visible; first += kRowThreads) {
    own.template attend<T>(a, at, query, first, weights[warp]);
  }
  const float warp_total = warp_sum(own.total);
  if (lane == 0) {
    largest[warp] = own.largest;
    total[warp] = warp_total;
  }
#pragma unroll
  for (int i = 0; i < kColumns; ++i) sums[warp][lane + 32 * i] = own.sums[i];
  __syncthreads();

  float reference = -INFINITY;
#pragma unroll
  for (int w = 0; w < kRowWarps; ++w) reference = fmaxf(reference, largest[w]);
  for (int column = thread; column < a.width; column += kRowThreads) {
    float sum = 0.0f, weight = 0.0f;
#pragma unroll
    for (int w = 0; w < kRowWarps; ++w) {
      const float factor = softmax_weight(largest[w], reference);
      sum = fmaf(sums[w][column], factor, sum);
      weight = fmaf(total[w], factor, weight);
    }
    const int64_t to =
        at.batch * a.out.batch_stride + at.row * a.out.row_stride + static_cast<int64_t>(at.head) * a.width + column;
    store_element(a.out.data, a.out_dtype, to, sum / weight);
  }
}

}  // namespace qavit::cuda
