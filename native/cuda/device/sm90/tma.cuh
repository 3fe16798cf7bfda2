// The tensor copy engine: one thread copies a box of a tensor (tensor_map.h) to or from shared memory. Coordinates
// count elements, innermost first. Where a box hangs over an edge, a load writes zeros and a store leaves out; an
// mbarrier counts the whole box's bytes all the same.
//
// Maps are kernel parameters, `const __grid_constant__ CUtensorMap`. Shared addresses are multiples of 128, and of 1024
// where the map swizzles 128 bytes.
#pragma once

#include <cuda.h>

#include "cuda/device/sm90/mbarrier.cuh"

namespace qavit::cuda::sm90 {

__device__ inline void prefetch_tensor_map(const CUtensorMap& map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
}

// Brings a box into L2, without waiting for anything.
__device__ inline void tma_prefetch(const CUtensorMap& map, int c0, int c1) {
  asm volatile("cp.async.bulk.prefetch.tensor.2d.L2.global.tile [%0, {%1, %2}];" ::"l"(&map), "r"(c0), "r"(c1)
               : "memory");
}

// The barrier must have been told of the box's bytes before (Mbarrier::arrive_and_expect).
__device__ inline void tma_load(void* shared, const CUtensorMap& map, Mbarrier& full, int c0, int c1) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::
          "r"(shared_address(shared)),
      "l"(&map), "r"(shared_address(&full)), "r"(c0), "r"(c1)
      : "memory");
}
// The same, of what no kernel writes: the one access to global memory that need not wait for the kernels before
// (dependent_launch.cuh).
__device__ inline void tma_load_constant(void* shared, const CUtensorMap& map, Mbarrier& full, int c0, int c1) {
  tma_load(shared, map, full, c0, c1);
}
__device__ inline void tma_load(void* shared, const CUtensorMap& map, Mbarrier& full, int c0, int c1, int c2) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], "
      "[%2];" ::"r"(shared_address(shared)),
      "l"(&map), "r"(shared_address(&full)), "r"(c0), "r"(c1), "r"(c2)
      : "memory");
}
__device__ inline void tma_load(void* shared, const CUtensorMap& map, Mbarrier& full, int c0, int c1, int c2, int c3) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6}], "
      "[%2];" ::"r"(shared_address(shared)),
      "l"(&map), "r"(shared_address(&full)), "r"(c0), "r"(c1), "r"(c2), "r"(c3)
      : "memory");
}

// What is stored must have been made visible to the engine: fence_async_proxy() by the threads that wrote it, then a
// barrier. Stores of a thread complete by groups: commit closes one.
__device__ inline void tma_store(const CUtensorMap& map, const void* shared, int c0, int c1) {
  asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%2, %3}], [%1];" ::"l"(&map),
               "r"(shared_address(shared)), "r"(c0), "r"(c1)
               : "memory");
}
__device__ inline void tma_store(const CUtensorMap& map, const void* shared, int c0, int c1, int c2) {
  asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.tile.bulk_group [%0, {%2, %3, %4}], [%1];" ::"l"(&map),
               "r"(shared_address(shared)), "r"(c0), "r"(c1), "r"(c2)
               : "memory");
}
__device__ inline void tma_store(const CUtensorMap& map, const void* shared, int c0, int c1, int c2, int c3) {
  asm volatile("cp.async.bulk.tensor.4d.global.shared::cta.tile.bulk_group [%0, {%2, %3, %4, %5}], [%1];" ::"l"(&map),
               "r"(shared_address(shared)), "r"(c0), "r"(c1), "r"(c2), "r"(c3)
               : "memory");
}
__device__ inline void tma_store_commit() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }

// Until at most kGroups of the thread's groups still read shared memory: it may be written again. A kernel's end waits
// for the writes themselves.
template <int kGroups>
__device__ inline void tma_store_wait() {
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(kGroups) : "memory");
}

}  // namespace qavit::cuda::sm90
