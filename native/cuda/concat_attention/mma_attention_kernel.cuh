// concat_attention for bf16 and f16 on tensor cores (mma.sync m16n8k16, f32 sums; sm_80 and later).
//
//   out[m, :] = sum_j p_mj v_j / sum_j p_mj,   p_mj = 2^(s_mj - ref_m),   s_mj = q_m . k_j * scale * log2(e)
//
// over question and visual keys j alike, in one pass over the keys (FlashAttention, arXiv 2205.14135 and 2307.08691):
// scores live in registers only. A block is 4 warps; a warp holds kSlabs slabs of 16 queries from beginning to end and
// meets every tile of kKeys keys (head_keys.cuh), which the block copies into shared memory one tile ahead.
//
//            d ->                       keys ->
//   slab 0 |  q  |   k tile   scores |  s s s s  |  f32     weights as bf16/f16 are, register by register, the left
//   slab 1 |  q  |  x  ^T  =>        |  s s s s  |      =>  operand of the second product: sums |o| += |p| x |v tile|
//
// ref_m is a lower bound of the row's maximum so far that is at most 8 behind it. Exact in exact arithmetic, and no
// weight exceeds 2^8, which f16 holds; but where the maximum creeps up, sums are not rescaled with every tile. Whether
// a row is rescaled depends on that row alone, so neither kSlabs nor the neighbouring rows change its bits.
//
// Keys past the end of a ragged tile: their rows in shared memory are zeros (a weight of 0 times a NaN would be NaN)
// and their scores -inf. Steps of 16 keys without any key are left out.
//
// Limits: scale > 0; D a multiple of 8 up to kWidth; all rows 16-byte aligned. Others: plain_attention_kernel.cuh.
#pragma once

#include "cuda/concat_attention/head_keys.cuh"
#include "cuda/concat_attention/shared_tile.cuh"
#include "cuda/concat_attention/stored_elements.cuh"
#include "cuda/concat_attention/warp_queries.cuh"
#include "cuda/device/cp_async.cuh"
#include "cuda/device/dependent_launch.cuh"
#include "cuda/device/shared.cuh"
#include "cuda/device/types.cuh"

namespace qavit::cuda {

constexpr int kAttentionWarps = 4;
constexpr int kAttentionThreads = 32 * kAttentionWarps;

template <int kWidth, int kSlabs>
constexpr int kQueryRows = kAttentionWarps * kSlabs * kSlab;

// The queries, and two stages of k and v.
template <int kWidth, int kSlabs>
constexpr size_t kAttentionSharedBytes =
    2 * size_t{SharedTile<kWidth>::kRow} * (kQueryRows<kWidth, kSlabs> + 4 * AttentionTiling<kWidth>::kKeys);

// Copies `count` rows of one head into a tile of kRows, asynchronously; zeros into the rows and columns past its end.
// `row_at(row)` is where a row lies in global memory.
template <int kWidth, int kRows, typename T, typename RowAt>
__device__ inline void copy_rows(T* tile, int count, int width, const RowAt& row_at) {
  using Tile = SharedTile<kWidth>;
  constexpr int kAll = kRows * Tile::kChunks;
#pragma unroll 2  // more would keep more addresses in registers, which width 128 does not have
  for (int first = 0; first < kAll; first += kAttentionThreads) {
    const int i = first + static_cast<int>(threadIdx.x);
    const int row = i / Tile::kChunks, chunk = i % Tile::kChunks;
    const bool valid = row < count && chunk * kChunk < width;
    if (kAll % kAttentionThreads == 0 || i < kAll) {
      cp_async_16(tile + Tile::place(row, chunk), row_at(valid ? row : 0) + (valid ? chunk * kChunk : 0), valid);
    }
  }
}

// The rows of a ragged tile of keys or values, whichever the pointers say.
template <int kWidth, typename T, int kKeys>
__device__ inline void copy_ragged(T* to, const KeyTiles<kKeys>& keys, int tile, const T* question,
                                   int64_t question_stride, const T* visual, int64_t visual_stride, int width) {
  const int first = tile * kKeys;
  copy_rows<kWidth, kKeys>(to, keys.count(tile), width, [&](int row) {
    const int key = first + row;
    return key < keys.question ? question + key * question_stride : visual + (key - keys.question) * visual_stride;
  });
}

// A whole tile's, which are visual rows that follow each other.
template <int kWidth, int kKeys, typename T>
__device__ inline void copy_whole(T* to, const T* visual, int64_t visual_stride, int width) {
  copy_rows<kWidth, kKeys>(to, kKeys, width, [&](int row) { return visual + row * visual_stride; });
}

// Floats between finished rows in shared memory: 8 more than a multiple of 16, so that a half warp's 8-byte writes (4
// rows x 8 columns) meet different banks.
template <int kWidth>
constexpr int kStagedRow = kWidth + 8;

// Stores a warp's finished rows by way of `staging`, 16 rows of kStagedRow floats of its own: a lane stores 8 columns
// of one row, not 2 of each of many.
template <typename T, int kWidth, int kSlabs>
__device__ inline void store_rows(const WarpQueries<T, kWidth, kSlabs>& queries, float* staging, const Attention& a,
                                  int64_t offset, int rows) {
  constexpr int kChunks = kWidth / kChunk;
#pragma unroll
  for (int slab = 0; slab < kSlabs; ++slab) {
    __syncwarp();  // the slab before this one has been read
    queries.write(slab, staging, kStagedRow<kWidth>);
    __syncwarp();
#pragma unroll 1
    for (int i = static_cast<int>(threadIdx.x) % 32; i < kSlab * kChunks; i += 32) {
      const int row = i / kChunks, column = i % kChunks * kChunk;
      if (slab * kSlab + row >= rows || column >= a.width) continue;
      const float* const from = staging + row * kStagedRow<kWidth> + column;
      const int64_t to = offset + (slab * kSlab + row) * a.out.row_stride + column;
      if (a.out_in_chunks) {
        Pack<T, kChunk> chunk;
#pragma unroll
        for (int e = 0; e < kChunk; ++e) chunk[e] = from_float<T>(from[e]);
        chunk.store(static_cast<T*>(a.out.data) + to);
      } else {
        for (int e = 0; e < kChunk; ++e) store_element(a.out.data, a.out_dtype, to + e, from[e]);
      }
    }
  }
}

template <typename T, int kWidth, int kSlabs>
__global__ void __launch_bounds__(kAttentionThreads, 2) mma_attention_kernel(const Attention a, const int query_tiles) {
  follow_earlier_kernels();
  constexpr int kKeys = AttentionTiling<kWidth>::kKeys;
  constexpr int kBlockRows = kQueryRows<kWidth, kSlabs>;
  constexpr int kTile = kKeys * SharedTile<kWidth>::kRow;  // elements
  QAVIT_DYNAMIC_SHARED(shared);
  T* const query_tile = reinterpret_cast<T*>(shared);
  T* const stages = query_tile + kBlockRows * SharedTile<kWidth>::kRow;  // [stage][k, v][kTile]

  const AttentionWork work = attention_work(a, query_tiles);
  const KeyTiles<kKeys> keys(question_keys(a, work.batch), a.key_rows);
  const T* const k = head_rows<T>(a.k, a, work);
  const T* const v = head_rows<T>(a.v, a, work);
  const auto copy_whole_keys = [&](int tile) {
    if (tile >= keys.tiles) return;
    T* const stage = stages + tile % 2 * 2 * kTile;
    const int row = keys.first_row(tile);
    copy_whole<kWidth, kKeys>(stage, k + row * a.k.row_stride, a.k.row_stride, a.width);
    copy_whole<kWidth, kKeys>(stage + kTile, v + row * a.v.row_stride, a.v.row_stride, a.width);
  };
  const auto copy_keys = [&](int tile) {
    T* const stage = stages + tile % 2 * 2 * kTile;
    if (keys.is_ragged(tile)) {
      copy_ragged<kWidth>(stage, keys, tile, head_rows<T>(a.question_k, a, work), a.question_k.row_stride, k,
                          a.k.row_stride, a.width);
      copy_ragged<kWidth>(stage + kTile, keys, tile, head_rows<T>(a.question_v, a, work), a.question_v.row_stride, v,
                          a.v.row_stride, a.width);
    } else {
      copy_whole_keys(tile);
    }
  };

  const int block_row = work.query_tile * kBlockRows;
  const int block_rows = min(kBlockRows, a.query_rows - block_row);
  const T* const q = head_rows<T>(a.q, a, work) + block_row * a.q.row_stride;
  copy_rows<kWidth, kBlockRows>(query_tile, block_rows, a.width, [&](int row) { return q + row * a.q.row_stride; });
  // After it, copies that this block began are there for all its threads, and what was read before may be overwritten.
  const auto meet = [] {
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads();
  };
  copy_keys(0);
  meet();

  const int warp_row = static_cast<int>(threadIdx.x) / 32 * kSlabs * kSlab;
  const int rows = block_rows - warp_row;  // of this warp; a warp past the last query only copies
  WarpQueries<T, kWidth, kSlabs> queries(query_tile, warp_row);
  // Two loops, so that nothing that ragged tiles need takes a register from the whole ones.
  int tile = 0;
  for (; tile < keys.ragged_tiles; ++tile) {
    copy_keys(tile + 1);
    const T* const k_tile = stages + tile % 2 * 2 * kTile;
    if (rows > 0) queries.template attend<false>(k_tile, k_tile + kTile, keys.count(tile), a.scale);
    meet();
  }
  for (; tile < keys.tiles; ++tile) {
    copy_whole_keys(tile + 1);
    const T* const k_tile = stages + tile % 2 * 2 * kTile;
    if (rows > 0) queries.template attend<true>(k_tile, k_tile + kTile, kKeys, a.scale);
    meet();
  }
  if (rows <= 0) return;

  queries.finish();
  // Nobody reads the tiles any more.
  float* const staging = reinterpret_cast<float*>(shared) + warp_row / kSlabs * kStagedRow<kWidth>;
  store_rows(queries, staging, a, element_offset(a.out, a, work, block_row + warp_row), rows);
}

}  // namespace qavit::cuda
