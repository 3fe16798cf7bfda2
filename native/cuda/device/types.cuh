// Element types in memory, their conversions, and runs of elements that move in one instruction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "cuda/runtime.h"

namespace qavit::cuda {

using bf16 = __nv_bfloat16;
using f16 = __half;

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(bf16 x) { return __bfloat162float(x); }
__device__ inline float to_float(f16 x) { return __half2float(x); }

// Rounds to nearest even.
template <typename T>
__device__ inline T from_float(float x);
template <>
__device__ inline float from_float<float>(float x) {
  return x;
}
template <>
__device__ inline bf16 from_float<bf16>(float x) {
  return __float2bfloat16_rn(x);
}
template <>
__device__ inline f16 from_float<f16>(float x) {
  return __float2half_rn(x);
}

// Two neighbours in one register, the first in the lower half: what mma.sync takes.
template <typename T>
__device__ inline uint32_t pack_pair(float first, float second);
template <>
__device__ inline uint32_t pack_pair<bf16>(float first, float second) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(first, second);
  uint32_t bits;
  memcpy(&bits, &pair, sizeof bits);
  return bits;
}
template <>
__device__ inline uint32_t pack_pair<f16>(float first, float second) {
  const __half2 pair = __floats2half2_rn(first, second);
  uint32_t bits;
  memcpy(&bits, &pair, sizeof bits);
  return bits;
}

// N neighbouring elements, N * sizeof(T) a power of two. Addresses are multiples of kAlignment.
template <typename T, int N>
struct alignas(N * sizeof(T) < 16 ? N * sizeof(T) : 16) Pack {
  static constexpr size_t kBytes = N * sizeof(T);
  static constexpr size_t kAlignment = kBytes < 16 ? kBytes : 16;  // no instruction moves more
  static_assert((kBytes & (kBytes - 1)) == 0);

  T elements[N];

  __device__ T& operator[](int i) { return elements[i]; }
  __device__ const T& operator[](int i) const { return elements[i]; }

  __device__ static Pack load(const T* from) {
#ifdef QAVIT_CUDA_EMULATION
    check_alignment(from);
    Pack pack;
    std::memcpy(&pack, from, kBytes);
    return pack;
#else
    return *reinterpret_cast<const Pack*>(from);
#endif
  }

  __device__ void store(T* to) const {
#ifdef QAVIT_CUDA_EMULATION
    check_alignment(to);
    std::memcpy(to, this, kBytes);
#else
    *reinterpret_cast<Pack*>(to) = *this;
#endif
  }

  // To device memory, where `wanted`: 16 bytes stay one instruction, which the compiler neither splits, as it does a
  // store() of elements that were converted one by one, nor branches around.
  __device__ void store_global(T* to, bool wanted = true) const {
#ifdef QAVIT_CUDA_EMULATION
    if (wanted) store(to);
#else
    if constexpr (kBytes % 16 == 0) {
      uint32_t words[kBytes / 4];
      memcpy(words, elements, kBytes);
#pragma unroll
      for (size_t i = 0; i < kBytes / 4; i += 4) {
        asm volatile(
            "{ .reg .pred wanted;\n"
            "setp.ne.u32 wanted, %5, 0;\n"
            "@wanted st.global.v4.b32 [%0], {%1, %2, %3, %4}; }" ::"l"(reinterpret_cast<uint32_t*>(to) + i),
            "r"(words[i]), "r"(words[i + 1]), "r"(words[i + 2]), "r"(words[i + 3]), "r"(static_cast<uint32_t>(wanted))
            : "memory");
      }
    } else if (wanted) {
      store(to);
    }
#endif
  }

  // The same to shared memory.
  __device__ void store_shared(T* to) const {
#ifdef QAVIT_CUDA_EMULATION
    store(to);
#else
    static_assert(kBytes == 16);
    uint32_t words[4];
    memcpy(words, elements, kBytes);
    asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(static_cast<uint32_t>(__cvta_generic_to_shared(to))),
                 "r"(words[0]), "r"(words[1]), "r"(words[2]), "r"(words[3])
                 : "memory");
#endif
  }

#ifdef QAVIT_CUDA_EMULATION
  static void check_alignment(const void* address) {
    if (reinterpret_cast<uintptr_t>(address) % kAlignment != 0) emulation::fault("a misaligned Pack");
  }
#endif
};

}  // namespace qavit::cuda
