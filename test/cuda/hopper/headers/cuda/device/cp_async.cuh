// Copies land where wgmma sees them at the fence after the wait.
#pragma once

#include "cuda/device/shared.cuh"
#include "cuda/device/types.cuh"

namespace qavit::cuda {

inline void cp_async_16(void* shared, const void* global, bool valid) { emulation::start_copy(shared, global, valid); }
inline void cp_async_commit() { emulation::commit_copies(); }
template <int N>
inline void cp_async_wait() {
  if (N > 0) emulation::fault("a wait for some copies only, which is not modelled");
  emulation::wait_copies();
}

}  // namespace qavit::cuda
