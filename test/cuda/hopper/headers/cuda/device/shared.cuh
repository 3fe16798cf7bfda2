#pragma once

#include "cuda/runtime.h"

#define QAVIT_DYNAMIC_SHARED(name) unsigned char* const name = ::qavit::cuda::emulation::dynamic_shared()

namespace qavit::cuda {

inline uint32_t shared_address(const void* shared) {
  return static_cast<uint32_t>(static_cast<const unsigned char*>(shared) - emulation::dynamic_shared());
}

}  // namespace qavit::cuda
