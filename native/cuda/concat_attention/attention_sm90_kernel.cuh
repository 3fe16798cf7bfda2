// concat_attention for bf16 and f16 on Hopper: tensor copies (TMA), warpgroup products (wgmma), f32 softmax.
//
//   out[m, :] = sum_j p_mj v_j / sum_j p_mj,   p_mj = 2^(s_mj - ref_m),   s_mj = q_m . k_j * scale * log2(e)
//
// over question and visual keys alike, in one pass over tiles of 64 keys (head_keys.cuh; the whole tiles first, then
// the ragged ones). A block is one producer warpgroup, which fills a ring of key and value tiles (producer_sm90.cuh),
// and two consumers of 64 queries each, which empty it (consumer_sm90.cuh):
//
//   producer    q k0 v0 k1 v1 k2 v2 ... | ragged, row by row |
//   consumer 0    | k0 . softmax . v0 | k1 . softmax . v1 | ...
//   consumer 1    | k0 . softmax . v0 | k1 . softmax . v1 | ...      with 2 blocks on a multiprocessor, 4 of these
//
// While one warpgroup takes exponentials, others multiply: at D = 64 a tile is 256 cycles of either for a consumer, so
// that both units can be busy all the time; nothing but the ring orders the warpgroups.
//
// Why it cannot hang. Every wait is for a phase that others complete without waiting for the waiter: the producer fills
// stage after stage in the order in which consumers wait for them; fills of round n wait for the reads of round n - 1,
// which need only fills of round n - 1. Consumers arrive 4 times (once a warp) for each tile, which is what `empty` was
// told; those without queries leave before and are not counted. Bytes expected are those of the boxes issued on the
// same barrier, whole even where a box hangs over an edge: queries 128 lines a panel, keys and values 64.
//
// Why nobody reads early or late. A consumer reads a tile after phase n of `full`, which needs all its bytes (whole) or
// the arrival after all producers' copies and proxy fences (ragged); the tile is written again after phase n of
// `empty`, at which each warp arrives after it has waited for its products. q_full has one phase. The rows that a
// consumer stores over its queries are its own (its kGroupBytes in each panel).
//
// Limits: as attention_sm90_takes() says. Never run on a GPU: compiled for sm_90a, and executed on the CPU against a
// model of these instructions (test/cuda/hopper).
#pragma once

#include "cuda/concat_attention/consumer_sm90.cuh"
#include "cuda/concat_attention/head_keys.cuh"
#include "cuda/concat_attention/producer_sm90.cuh"
#include "cuda/concat_attention/tiles_sm90.h"
#include "cuda/device/dependent_launch.cuh"

namespace qavit::cuda {

template <typename T, int kWidth>
__global__ void __launch_bounds__(Sm90Tiles<kWidth>::kThreads, Sm90Tiles<kWidth>::kBlocks)
    attention_sm90_kernel(const Attention a, const int query_tiles, const __grid_constant__ CUtensorMap q_map,
                          const __grid_constant__ CUtensorMap k_map, const __grid_constant__ CUtensorMap v_map,
                          const __grid_constant__ CUtensorMap out_map) {
  using Tiles = Sm90Tiles<kWidth>;
  QAVIT_DYNAMIC_SHARED(shared);
  __shared__ AttentionBarriers<Tiles::kStages> barriers;

  const AttentionWork work = attention_work(a, query_tiles);
  const int rows = a.query_rows - work.query_tile * Tiles::kQueryRows;  // of this block, and all after it
  const int consumers = rows > Tiles::kGroupRows ? 2 : 1;
  if (threadIdx.x == 0) {
    sm90::prefetch_tensor_map(q_map);
    sm90::prefetch_tensor_map(k_map);
    sm90::prefetch_tensor_map(v_map);
    sm90::prefetch_tensor_map(out_map);
    barriers.init(consumers);
  }
  follow_earlier_kernels();
  const KeyTiles<Tiles::kKeys> keys(question_keys(a, work.batch), a.key_rows);
  __syncthreads();

  const int group = static_cast<int>(threadIdx.x) / sm90::kWarpgroupThreads - 1;  // -1: the producer
  if (group < 0) {
    sm90::lower_registers<Tiles::kProducerRegisters>();
    produce<T, Tiles>(shared, barriers, {q_map, k_map, v_map}, a, work, keys);
  } else {
    sm90::raise_registers<Tiles::kConsumerRegisters>();
    if (group >= consumers) return;
    Consumer<T, Tiles> consumer(shared, barriers, group, rows - group * Tiles::kGroupRows);
    barriers.q_full.wait(0);
    for (int tile = keys.ragged_tiles; tile < keys.tiles; ++tile) {
      consumer.template attend<true>(Tiles::kKeys, a.scale);
    }
    for (int tile = 0; tile < keys.ragged_tiles; ++tile) {
      consumer.template attend<false>(keys.count(tile), a.scale);
    }
    consumer.store(out_map, work);
  }
}

}  // namespace qavit::cuda
