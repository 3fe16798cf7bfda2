#pragma once

#include "cuda/runtime.h"

namespace qavit::cuda::sm90 {

constexpr int kWarpgroupThreads = 128;

template <int kRegisters>
inline void lower_registers() {}
template <int kRegisters>
inline void raise_registers() {}

template <int kThreads>
inline void named_barrier_sync(int barrier) {
  emulation::named_barrier(barrier, kThreads);
}
inline void fence_async_proxy() { emulation::publish_copies(); }

}  // namespace qavit::cuda::sm90
