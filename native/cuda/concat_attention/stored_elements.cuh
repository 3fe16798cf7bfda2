// One element of an operand whose dtype is known at run time: for what is not worth a kernel per dtype.
#pragma once

#include "core/dtype.h"
#include "cuda/device/types.cuh"

namespace qavit::cuda {

__device__ inline float load_element(const void* data, DType dtype, int64_t offset) {
  switch (dtype) {
    case DType::kBF16:
      return to_float(static_cast<const bf16*>(data)[offset]);
    case DType::kF16:
      return to_float(static_cast<const f16*>(data)[offset]);
    default:
      return static_cast<const float*>(data)[offset];
  }
}

__device__ inline void store_element(void* data, DType dtype, int64_t offset, float value) {
  switch (dtype) {
    case DType::kBF16:
      static_cast<bf16*>(data)[offset] = from_float<bf16>(value);
      break;
    case DType::kF16:
      static_cast<f16*>(data)[offset] = from_float<f16>(value);
      break;
    default:
      static_cast<float*>(data)[offset] = value;
  }
}

}  // namespace qavit::cuda
