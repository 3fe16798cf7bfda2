// What warps of a specialised kernel need among each other. A warpgroup is 4 warps, the first of which has a number
// divisible by 4; wgmma and setmaxnreg are executed by all its 128 threads.
#pragma once

#include "cuda/runtime.h"

namespace qavit::cuda::sm90 {

constexpr int kWarpgroupThreads = 128;

// Gives registers back, or takes those that other warpgroups gave back (waiting until they have). Multiples of 8 from
// 24 to 256. What all warpgroups of the block end up with must fit into what they were launched with: 65,536 / threads,
// rounded down to a multiple of 8, a thread (168 with 384 threads, in a kernel of __launch_bounds__(384, 1)).
template <int kRegisters>
__device__ inline void lower_registers() {
  static_assert(kRegisters % 8 == 0 && kRegisters >= 24 && kRegisters <= 256);
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters>
__device__ inline void raise_registers() {
  static_assert(kRegisters % 8 == 0 && kRegisters >= 24 && kRegisters <= 256);
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

// Barriers 1 to 15 of the block (0 is __syncthreads), among kThreads threads in whole warps: sync waits for the others,
// arrive does not.
template <int kThreads>
__device__ inline void named_barrier_sync(int barrier) {
  asm volatile("bar.sync %0, %1;" ::"r"(barrier), "n"(kThreads) : "memory");
}
template <int kThreads>
__device__ inline void named_barrier_arrive(int barrier) {
  asm volatile("bar.arrive %0, %1;" ::"r"(barrier), "n"(kThreads) : "memory");
}

// Between ordinary writes to shared memory and their being read by wgmma or a TMA store: by each thread that wrote,
// before the barrier after which the reading is issued. Also between ordinary reads and a TMA load to the same place.
__device__ inline void fence_async_proxy() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

}  // namespace qavit::cuda::sm90
