// Element types. Computation is f32 or bf16 (f16 on GPUs); u8 holds pixels, i32 lengths and indices; int8 is a form
// that matrices alone are kept in (int8.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/names.h"

namespace qavit {

enum class DType : uint8_t { kF32, kBF16, kF16, kU8, kI32, kInt8 };

// int8 last: no array is in it.
inline constexpr Named<DType> kDTypeNames[] = {{DType::kF32, "f32"}, {DType::kBF16, "bf16"}, {DType::kF16, "f16"},
                                               {DType::kU8, "u8"},   {DType::kI32, "i32"},   {DType::kInt8, "int8"}};

constexpr size_t dtype_size(DType dtype) {
  switch (dtype) {
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kBF16:
    case DType::kF16:
      return 2;
    case DType::kU8:
    case DType::kInt8:
      return 1;
  }
  return 0;
}

constexpr const char* dtype_name(DType dtype) { return name_of(kDTypeNames, dtype); }

// A bf16 is the upper half of an f32.
inline float bf16_to_f32(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

// Round to nearest even; NaN stays NaN (the carry must not turn a NaN's payload into infinity).
inline uint16_t f32_to_bf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

// IEEE half, subnormals included. Weights may be stored in f16; the CPU converts them while packing.
float f16_to_f32(uint16_t bits);

// Round to nearest even, subnormals included; NaN stays NaN, and what rounds beyond 65504 becomes infinity.
uint16_t f32_to_f16(float value);

}  // namespace qavit
