// bf16 and half: storage and conversions, which round to nearest even.
#pragma once

#include <bit>
#include <cstdint>

#include "core/dtype.h"
#include "cuda/emulation/vector_types.h"

struct __nv_bfloat16 {
  uint16_t bits;
};
struct __half {
  uint16_t bits;
};
struct alignas(4) __nv_bfloat162 {
  __nv_bfloat16 x, y;
};
struct alignas(4) __half2 {
  __half x, y;
};

inline float __bfloat162float(__nv_bfloat16 value) { return qavit::bf16_to_f32(value.bits); }
inline __nv_bfloat16 __float2bfloat16_rn(float value) { return {qavit::f32_to_bf16(value)}; }
inline __nv_bfloat16 __float2bfloat16(float value) { return __float2bfloat16_rn(value); }

// Inline, unlike f16_to_f32: an emulated mma converts 384 of them. Moving the bits up leaves the exponent 112 too
// small, which one exact multiplication mends, for subnormals too.
inline float __half2float(__half value) {
  const uint32_t magnitude = value.bits & 0x7fffu, sign = (value.bits & 0x8000u) << 16;
  const bool finite = magnitude < 0x7c00u;
  const uint32_t wide = finite ? std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude << 13) * 0x1p112f)
                               : 0x7f800000u | (magnitude & 0x3ffu) << 13;
  return std::bit_cast<float>(wide | sign);
}
inline __half __float2half_rn(float value) { return {qavit::f32_to_f16(value)}; }
inline __half __float2half(float value) { return __float2half_rn(value); }

inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) {
  return {__float2bfloat16_rn(x), __float2bfloat16_rn(y)};
}
inline __half2 __floats2half2_rn(float x, float y) { return {__float2half_rn(x), __float2half_rn(y)}; }
inline float2 __bfloat1622float2(__nv_bfloat162 value) {
  return {__bfloat162float(value.x), __bfloat162float(value.y)};
}
inline float2 __half22float2(__half2 value) { return {__half2float(value.x), __half2float(value.y)}; }
