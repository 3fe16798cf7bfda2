// What a block's producer and its two consumers do, step by step, over a `Machine` that carries it out: the kernel's
// (linear_sm90_kernel.cuh), or the model of test/cuda/sm90, which runs these same functions on the CPU in every order
// and knows when a stage is read too early, overwritten too early or waited for in vain.
//
// The ring has `stages` slots; an item's sum takes one slot for every 64 of its length, and items follow each other
// without a gap. For each slot
//   full    is completed by 1 arrival (the producer's, which expects the stage's bytes) and those bytes
//   empty   is completed by the arrivals of all warps that read the slot: 4 in turns, 8 together
// The producer walks all rounds of all slots in order; so do consumers that work together: both sides are never more
// than one phase away from what they wait for (device/sm90/ring.h).
//
// In turns, a consumer leaves out the rounds of the other's items. It may not wait for `full` of its own rounds until
// those it leaves out are complete, since a parity cannot tell round n from round n - 2. So there is a third pair of
// barriers: `turn` of a consumer is completed by the other one's 4 warps, each when it has got its last `full` of an
// item. Item n of a consumer (from 0) waits for
//   phase n of `turn` for consumer 1, which comes second:   parity n % 2
//   phase n - 1 for consumer 0:                             parity (n - 1) % 2, past from the start for n = 0
// A turn cannot run two phases ahead either: the next arrival at it follows the other consumer's next turn, which
// follows this consumer's own pass_turn(). The last item's pass_turn() may complete a phase that nobody waits for.
//
// Why nobody waits for ever. The producer waits only for slots that were filled a round before, whose readers wait only
// for stages that come earlier in the same list, which have been issued; consumer 1's turn waits for consumer 0's
// earlier item and so on down the list. The order of the list is the order of all waits.
#pragma once

#include "cuda/device/sm90/ring.h"
#include "cuda/linear/linear_sm90_items.h"
#include "cuda/linear/linear_sm90_plan.h"

namespace qavit::cuda {

// Stages of a block's first item whose weights are loaded ahead: as many as the ring holds.
template <int kTile>
__device__ inline int stages_ahead(const Sm90Items::Span& span) {
  return span.count < kSm90Tiles[kTile].stages ? span.count : kSm90Tiles[kTile].stages;
}

// Before the kernels before this one have ended: what they do not write, into slots that nobody has used yet.
template <int kTile, typename Machine>
__device__ inline void load_weights_ahead(const Sm90Items& items, int block, Machine& machine) {
  const BlockWork work = items.work(block);
  const Sm90Items::Span span = items.span(work);
  const int ahead = stages_ahead<kTile>(span);
  for (int slot = 0; slot < ahead; ++slot) {
    machine.expect(slot);
    machine.load_weight(slot, work, span.first + slot);
  }
}

// After load_weights_ahead().
template <int kTile, typename Machine>
__device__ inline void produce_stages(const Sm90Items& items, int block, Machine& machine) {
  sm90::RingPosition<kSm90Tiles[kTile].stages> at;
  int ahead = stages_ahead<kTile>(items.span(items.work(block)));
  for (int item = block; item < items.count; item += items.blocks) {
    const BlockWork work = items.work(item);
    const Sm90Items::Span span = items.span(work);
    for (int stage = span.first; stage < span.first + span.count; ++stage) {
      if (ahead > 0) {
        --ahead;
      } else {
        machine.wait_empty(at.slot, at.empty_parity());
        machine.expect(at.slot);
        machine.load_weight(at.slot, work, stage);
      }
      machine.load_x(at.slot, work, stage);
      at.advance();
    }
  }
}

// Executed by every warp of consumer 0 or 1.
template <int kTile, typename Machine>
__device__ inline void consume_stages(const Sm90Items& items, int block, int consumer, Machine& machine) {
  constexpr bool kInTurns = kSm90Tiles[kTile].in_turns;
  sm90::RingPosition<kSm90Tiles[kTile].stages> at;
  int item = block;
  uint32_t turn_parity = 0;
  if constexpr (kInTurns) {
    turn_parity = consumer == 0 ? 1 : 0;
    if (consumer == 1) {
      at.advance(items.stages_of(item));
      item += items.blocks;
    }
  }
  while (item < items.count) {
    const BlockWork work = items.work(item);
    const int stages = items.span(work).count;
    if constexpr (kInTurns) {
      machine.wait_turn(consumer, turn_parity);
      turn_parity ^= 1;
    }
    machine.begin_sums();
    int previous = 0;
    for (int stage = 0; stage < stages; ++stage) {
      machine.wait_full(at.slot, at.full_parity());
      if constexpr (kInTurns) {
        if (stage + 1 == stages) machine.pass_turn(1 - consumer);
      }
      machine.multiply(at.slot);
      if (stage > 0) {
        machine.wait_for_products_before_last();
        machine.release(previous);
      }
      previous = at.slot;
      at.advance();
    }
    machine.wait_for_all_products();
    machine.release(previous);
    machine.finish(work);
    item += items.blocks;
    if constexpr (kInTurns) {
      at.advance(items.stages_of(item));
      item += items.blocks;
    }
  }
}

}  // namespace qavit::cuda
