// mbarrier: a barrier in shared memory at which threads arrive without waiting, and which can also wait for bytes that
// the tensor copy engine (tma.cuh) delivers. ring.h says which parity to wait for.
//
// A phase completes when as many threads have arrived as init() said and as many bytes as expected have come; the next
// phase begins at once with the same count and no bytes expected. Arriving releases what the thread has done before it,
// waiting acquires it. Barriers live in shared memory, 8-byte aligned:
//
//   __shared__ Mbarrier full;
//   if (threadIdx.x == 0) { full.init(1); publish_barriers(); }
//   __syncthreads();
#pragma once

#include "cuda/device/shared.cuh"

namespace qavit::cuda::sm90 {

struct alignas(8) Mbarrier {
  uint64_t state;

  // By one thread, before any other touches the barrier; see publish_barriers().
  __device__ void init(uint32_t arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(this)), "r"(arrivals) : "memory");
  }

  __device__ void arrive() {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(this)) : "memory");
  }

  // Arrives, and makes the phase wait for `bytes` more. Called before the copies that deliver them are issued, so that
  // the phase cannot complete between the first copy's end and the second's start.
  __device__ void arrive_and_expect(uint32_t bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(this)), "r"(bytes)
                 : "memory");
  }

  // Whether the phase of this parity is over; the hardware may let the thread sleep a while before it says no.
  __device__ bool try_wait(uint32_t parity) {
    uint32_t over;
    asm volatile(
        "{\n"
        ".reg .pred over;\n"
        "mbarrier.try_wait.parity.shared::cta.b64 over, [%1], %2;\n"
        "selp.u32 %0, 1, 0, over;\n"
        "}"
        : "=r"(over)
        : "r"(shared_address(this)), "r"(parity)
        : "memory");
    return over != 0;
  }

  __device__ void wait(uint32_t parity) {
    while (!try_wait(parity)) {
    }
  }
};

// By the thread that called init(), before the block's barrier that lets others use the new ones: makes them visible to
// the copy engine too.
__device__ inline void publish_barriers() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

}  // namespace qavit::cuda::sm90
