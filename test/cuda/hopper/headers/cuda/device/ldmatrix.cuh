// See mma.cuh.
#pragma once

#include "cuda/device/shared.cuh"

namespace qavit::cuda {

inline void ldmatrix_x4(uint32_t (&)[4], const void*) { emulation::fault("ldmatrix, which is not modelled"); }

}  // namespace qavit::cuda
