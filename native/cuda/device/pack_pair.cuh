// Two floats as one register of bf16 or f16, the first in the lower half: the form of mma.sync's operands. Together
// they are one conversion instruction, one by one two and a permutation.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "cuda/device/types.cuh"

namespace qavit::cuda {

template <typename T>
__device__ inline uint32_t pack_pair(float first, float second) {
  static_assert(std::is_same_v<T, bf16> || std::is_same_v<T, f16>);
  uint32_t bits;
  if constexpr (std::is_same_v<T, bf16>) {
    const __nv_bfloat162 pair = __floats2bfloat162_rn(first, second);
    std::memcpy(&bits, &pair, sizeof bits);
  } else {
    const __half2 pair = __floats2half2_rn(first, second);
    std::memcpy(&bits, &pair, sizeof bits);
  }
  return bits;
}

}  // namespace qavit::cuda
