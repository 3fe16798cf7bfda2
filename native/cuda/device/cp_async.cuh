// cp.async: copies from global to shared memory that pass by the registers and are waited for later. A thread's wait
// makes its own copies visible to itself; others see them after the barrier that follows.
#pragma once

#include "cuda/device/shared.cuh"
#include "cuda/device/types.cuh"

namespace qavit::cuda {

#ifdef QAVIT_CUDA_EMULATION

inline void cp_async_16(void* shared, const void* global, bool valid) {
  emulation::current->copies.start(shared, global, valid);
}
inline void cp_async_commit() { emulation::current->copies.commit(); }
template <int N>
inline void cp_async_wait() {
  emulation::current->copies.wait(N);
}

#else

// 16 bytes, both addresses 16-byte aligned; zeros where !valid, and `global` is not read then. Past L1 (.cg): a tile is
// read once by a block.
__device__ inline void cp_async_16(void* shared, const void* global, bool valid) {
  const int bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)),
               "l"(__cvta_generic_to_global(global)), "r"(bytes)
               : "memory");
}

// Ends a group: the copies since the last commit. It may be empty.
__device__ inline void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits for all groups but the N committed last.
template <int N>
__device__ inline void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

#endif

}  // namespace qavit::cuda
