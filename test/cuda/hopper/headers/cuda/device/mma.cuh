// gemm.cu brings the portable kernel along, which nobody runs here.
#pragma once

#include "cuda/device/types.cuh"

namespace qavit::cuda {

template <typename T>
void mma_m16n8k16(float (&)[4], const uint32_t (&)[4], const uint32_t (&)[2], T) {
  emulation::fault("mma.sync, which is not modelled");
}

}  // namespace qavit::cuda
