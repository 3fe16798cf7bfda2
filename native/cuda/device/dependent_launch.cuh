// Kernels that overlap: programmatic dependent launch, compute capability 9.0 on. Blocks of the next kernel of a stream
// go to multiprocessors that this one leaves idle, do there what needs nobody's results (barriers, tensor maps, copying
// weights) and wait for this one's end, instead of being sent out after it. launch.h asks for it where it works;
// elsewhere both functions do nothing.
//
// Every thread of every kernel waits before it touches what a kernel writes or has read: buffers are used again, so
// that writing too early is as wrong as reading too early. As nothing ends without having waited, a kernel's end says
// that all before it have ended too, and waiting for the one before is enough. Before the wait only weights may be
// touched: no kernel writes those. The emulation (in tests) and check-cubins.js (in machine code) hold kernels to this.
//
// Nobody waits for ever: a block that waits here was sent out after all blocks of the kernels that it waits for, and
// takes no room from them.
#pragma once

#include "cuda/runtime.h"

namespace qavit::cuda {

#ifdef QAVIT_CUDA_EMULATION

inline void let_next_kernel_start() {}
inline void wait_for_earlier_kernels() { emulation::wait_for_earlier_kernels(); }

#else

// The next kernel's blocks may be sent out when all blocks of this one have said so or ended, as room allows. Says
// nothing about what this kernel has written.
__device__ inline void let_next_kernel_start() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// Until all kernels before this one have ended and what they wrote can be read.
__device__ inline void wait_for_earlier_kernels() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

#endif

// The first statement of a kernel that has nothing to do before its turn.
__device__ inline void follow_earlier_kernels() {
  let_next_kernel_start();
  wait_for_earlier_kernels();
}

}  // namespace qavit::cuda
