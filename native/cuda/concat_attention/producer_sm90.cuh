// The producer warpgroup of attention_sm90_kernel.cuh: fills the ring of key and value tiles.
//
// Whole tiles are 64 visual rows that follow each other: boxes of the tensor copy engine, issued by thread 0 alone. The
// ragged tiles come last, when everything before them is under way. Their rows come from two operands and end at a
// length that only device memory knows, so all 128 threads copy them by cp.async into the same swizzled places, zeros
// after the last row: a masked key has weight 0, and 0 times whatever lies behind a question would be NaN if that is.
//
// Who arrives where, for the n-th use of a stage (from 0):
//   k_empty, v_empty   init 4 a consumer: each of its warps arrives when its wgmma over the tile is complete. Thread 0
//                      (whole) or warp 0 (ragged) waits for phase n - 1.
//   k_full, v_full     init 1: thread 0, which for whole tiles also expects their bytes; phase n completes when they
//                      have come. For ragged ones it arrives after a barrier among the producers, before which each has
//                      waited for its own copies (cp.async.wait_group) and made them visible to wgmma
//                      (fence.proxy.async).
// Only warp 0 waits at empties, and for every use in turn, so parities cannot be mistaken (device/sm90/ring.h).
#pragma once

#include "cuda/concat_attention/head_keys.cuh"
#include "cuda/concat_attention/tiles_sm90.h"
#include "cuda/device/cp_async.cuh"
#include "cuda/device/sm90/mbarrier.cuh"
#include "cuda/device/sm90/ring.h"
#include "cuda/device/sm90/tma.cuh"
#include "cuda/device/sm90/warpgroup.cuh"

namespace qavit::cuda {

template <int kStages>
struct AttentionBarriers {
  sm90::Mbarrier q_full;
  sm90::Mbarrier k_full[kStages], k_empty[kStages];
  sm90::Mbarrier v_full[kStages], v_empty[kStages];

  // By one thread. `consumers`: warpgroups that have queries; the others have left.
  __device__ void init(int consumers) {
    q_full.init(1);
    for (int stage = 0; stage < kStages; ++stage) {
      k_full[stage].init(1);
      v_full[stage].init(1);
      k_empty[stage].init(4 * static_cast<uint32_t>(consumers));
      v_empty[stage].init(4 * static_cast<uint32_t>(consumers));
    }
    sm90::publish_barriers();
  }
};

// The maps see [B, rows, H, D], or one entry of it where the batch shares one; boxes are 64 columns of one head.
// Columns past D, and rows past the end, arrive as 0.
struct AttentionMaps {
  const CUtensorMap &q, &k, &v;
};

__device__ inline int entry_of(const HeadRows& operand, const AttentionWork& work) {
  return operand.batch_stride == 0 ? 0 : work.batch;
}

// Named barriers, one for each warpgroup.
constexpr int kProducerBarrier = 1;
constexpr int kFirstConsumerBarrier = 2;

// Rows [tile * kKeys, ...) of the ragged keys (head_keys.cuh) of one operand pair, by all producers.
template <typename Tiles, typename T, int kKeys>
__device__ inline void copy_ragged_sm90(unsigned char* to, const KeyTiles<kKeys>& keys, int tile, const T* question,
                                        int64_t question_stride, const T* visual, int64_t visual_stride, int width) {
  constexpr int kChunks = Tiles::kWidth / 8;
  const int first = tile * kKeys, count = keys.count(tile);
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < kKeys * kChunks; i += sm90::kWarpgroupThreads) {
    const int row = i / kChunks, chunk = i % kChunks;
    const bool valid = row < count && chunk * 8 < width;
    const int key = first + (valid ? row : 0);
    const T* const from =
        key < keys.question ? question + key * question_stride : visual + (key - keys.question) * visual_stride;
    const uint32_t place = static_cast<uint32_t>(chunk) / 8 * Tiles::kKeyPanelBytes +
                           sm90::element_place(static_cast<uint32_t>(row), static_cast<uint32_t>(chunk) % 8 * 8);
    cp_async_16(to + place, from + (valid ? chunk * 8 : 0), valid);
  }
}

template <typename T, typename Tiles>
__device__ inline void produce(unsigned char* shared, AttentionBarriers<Tiles::kStages>& barriers,
                               const AttentionMaps& maps, const Attention& a, const AttentionWork& work,
                               const KeyTiles<Tiles::kKeys>& keys) {
  const int whole = keys.tiles - keys.ragged_tiles;
  sm90::RingPosition<Tiles::kStages> at;
  if (threadIdx.x == 0) {
    barriers.q_full.arrive_and_expect(Tiles::kQueryBytes);
    for (int panel = 0; panel < Tiles::kPanels; ++panel) {
      sm90::tma_load(shared + panel * Tiles::kQueryPanelBytes, maps.q, barriers.q_full, panel * 64, work.head,
                     work.query_tile * Tiles::kQueryRows, entry_of(a.q, work));
    }
    for (int tile = 0; tile < whole; ++tile) {
      const int row = keys.first_row(keys.ragged_tiles + tile);
      barriers.k_empty[at.slot].wait(at.empty_parity());
      barriers.k_full[at.slot].arrive_and_expect(Tiles::kTileBytes);
      for (int panel = 0; panel < Tiles::kPanels; ++panel) {
        sm90::tma_load(shared + Tiles::key_tile(at.slot) + panel * Tiles::kKeyPanelBytes, maps.k,
                       barriers.k_full[at.slot], panel * 64, work.head, row, entry_of(a.k, work));
      }
      barriers.v_empty[at.slot].wait(at.empty_parity());
      barriers.v_full[at.slot].arrive_and_expect(Tiles::kTileBytes);
      for (int panel = 0; panel < Tiles::kPanels; ++panel) {
        sm90::tma_load(shared + Tiles::value_tile(at.slot) + panel * Tiles::kKeyPanelBytes, maps.v,
                       barriers.v_full[at.slot], panel * 64, work.head, row, entry_of(a.v, work));
      }
      at.advance();
    }
  } else {
    at.advance(whole);
  }
  __syncwarp();

  for (int tile = 0; tile < keys.ragged_tiles; ++tile) {
    if (threadIdx.x < 32) {
      barriers.k_empty[at.slot].wait(at.empty_parity());
      barriers.v_empty[at.slot].wait(at.empty_parity());
    }
    sm90::named_barrier_sync<sm90::kWarpgroupThreads>(kProducerBarrier);  // the stage is free: all may write
    copy_ragged_sm90<Tiles>(shared + Tiles::key_tile(at.slot), keys, tile, head_rows<T>(a.question_k, a, work),
                            a.question_k.row_stride, head_rows<T>(a.k, a, work), a.k.row_stride, a.width);
    copy_ragged_sm90<Tiles>(shared + Tiles::value_tile(at.slot), keys, tile, head_rows<T>(a.question_v, a, work),
                            a.question_v.row_stride, head_rows<T>(a.v, a, work), a.v.row_stride, a.width);
    cp_async_commit();
    cp_async_wait<0>();
    sm90::fence_async_proxy();
    sm90::named_barrier_sync<sm90::kWarpgroupThreads>(kProducerBarrier);  // all have written
    if (threadIdx.x == 0) {
      barriers.k_full[at.slot].arrive();
      barriers.v_full[at.slot].arrive();
    }
    at.advance();
  }
}

}  // namespace qavit::cuda
