// QAVIT_DYNAMIC_SHARED(name): declares `unsigned char* name`, the block's dynamic shared memory. Aligned to 128 bytes,
// and to 1024 in sm_90a code, whose 128-byte swizzle repeats after 8 rows.
#pragma once

#include "cuda/runtime.h"

#ifdef QAVIT_CUDA_EMULATION
#define QAVIT_DYNAMIC_SHARED(name) \
  unsigned char* const name = ::qavit::cuda::emulation::current->block->shared().dynamic()
#else
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define QAVIT_DYNAMIC_SHARED_ALIGNMENT 1024
#else
#define QAVIT_DYNAMIC_SHARED_ALIGNMENT 128
#endif
#define QAVIT_DYNAMIC_SHARED(name)                            \
  extern __shared__ __align__(QAVIT_DYNAMIC_SHARED_ALIGNMENT) \
  unsigned char qavit_dynamic_shared_memory[];                \
  unsigned char* const name = qavit_dynamic_shared_memory
#endif

#ifndef QAVIT_CUDA_EMULATION
namespace qavit::cuda {

// The 32-bit address that PTX takes for shared memory.
__device__ inline uint32_t shared_address(const void* shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
}

}  // namespace qavit::cuda
#endif
