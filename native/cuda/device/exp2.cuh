// 2^x for softmax weights: one instruction on the GPU (relative error 2^-22, results below 2^-126 are 0), exact under
// emulation. exp2f() would be four: it also scales for subnormal results.
#pragma once

#include <cmath>

#include "cuda/runtime.h"

namespace qavit::cuda {

__device__ inline float exp2_approximate(float x) {
#ifdef QAVIT_CUDA_EMULATION
  return std::exp2(x);
#else
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}

}  // namespace qavit::cuda
