// A parameter in device memory, in the one form that every CUDA kernel reads.
#pragma once

#include "core/weight.h"

namespace qavit::cuda {

// Elements a matrix row is padded to, with zeros: 128 bytes of bf16, one swizzle span of the tensor copy engine, and no
// kernel needs a tail in the reduction.
constexpr int64_t kMatrixRowMultiple = 64;

// kMatrix: [groups * out, leading] row-major, dtype f32, bf16 or f16. kVector: f32 [n]. kTable: [rows, cols] dense,
// f32, bf16 or f16. `data` is 256-byte aligned.
class CudaWeight : public Weight {
 public:
  const void* data = nullptr;
  int64_t leading = 0;  // elements between rows
};

inline const CudaWeight* cuda_weight(const Weight* weight) { return static_cast<const CudaWeight*>(weight); }

}  // namespace qavit::cuda
