// A position in a ring of buffers that is walked for ever, and the parities by which mbarriers tell one round from the
// next. Plain arithmetic, for host and device.
//
// Each buffer has two barriers (mbarrier.cuh): `full`, completed by what fills it, and `empty`, completed by those who
// have read it. A barrier counts its phases from 0; wait(parity) returns when the phase before the present one has that
// parity, and is therefore only sound for a thread that is at most one phase behind or ahead. In round n (from 0):
//   a reader waits for phase n of `full`:       parity n % 2          = full_parity()
//   a filler waits for phase n - 1 of `empty`:  parity (n - 1) % 2    = empty_parity()
// In round 0 the filler waits for "phase -1", of parity 1, which a new barrier counts as past: buffers begin empty.
// Soundness: a reader in round n has waited for phase n - 1 of `full` itself, and phase n + 1 needs its own arrival at
// `empty`, so the barrier stands at n or n + 1; likewise for the filler. A reader that leaves rounds out (because
// others read them) must first know that all phases before its own are complete; see linear_sm90_kernel.cuh's turns.
#pragma once

#include <cstdint>

#include "cuda/runtime.h"

namespace qavit::cuda::sm90 {

template <int kSlots>
struct RingPosition {
  int slot = 0;
  uint32_t round = 0;  // modulo 2

  __host__ __device__ uint32_t full_parity() const { return round; }
  __host__ __device__ uint32_t empty_parity() const { return round ^ 1; }

  __host__ __device__ void advance() {
    if (++slot == kSlots) {
      slot = 0;
      round ^= 1;
    }
  }

  __host__ __device__ void advance(int steps) {
    const int next = slot + steps;
    round ^= static_cast<uint32_t>(next / kSlots) & 1;
    slot = next % kSlots;
  }
};

}  // namespace qavit::cuda::sm90
