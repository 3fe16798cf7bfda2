// A tensor in device memory and the box that one copy of the tensor copy engine moves, before it is encoded for the
// engine (tensor_map.h). What the engine can describe is checked without a GPU.
#pragma once

#include <array>
#include <cstdint>

#include "core/dtype.h"

namespace qavit::cuda::sm90 {

struct TensorLayout {
  static constexpr int kMaxRank = 4;

  const void* data = nullptr;               // may be null in fits_tensor_map(): taken as aligned
  DType dtype = DType::kBF16;               // bf16, f16 or f32
  int rank = 2;                             // 2 to kMaxRank
  std::array<int64_t, kMaxRank> sizes{};    // elements, innermost first
  std::array<int64_t, kMaxRank> strides{};  // elements from one index to the next; the innermost is 1
  std::array<int64_t, kMaxRank> box{};      // elements
  bool swizzled = true;                     // 128-byte swizzle: the box's lines are at most 128 bytes
};

// Address and strides are multiples of 16 bytes, sizes, strides and box in the engine's ranges.
bool fits_tensor_map(const TensorLayout& layout);

}  // namespace qavit::cuda::sm90
