#include "core/dtype.h"

namespace qavit {

const char* dtype_name(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "f32";
    case DType::kBF16:
      return "bf16";
    case DType::kF16:
      return "f16";
    case DType::kU8:
      return "u8";
    case DType::kI32:
      return "i32";
  }
  return "";
}

float f16_to_f32(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1fu;
  const uint32_t mantissa = bits & 0x3ffu;
  uint32_t wide;
  if (exponent == 0x1fu) {  // infinity, NaN: the payload moves up with the mantissa
    wide = sign | 0x7f800000u | (mantissa << 13);
  } else if (exponent != 0) {
    wide = sign | ((exponent + 112u) << 23) | (mantissa << 13);  // biases 127 - 15
  } else {
    // Zero or subnormal: mantissa * 2^-24, exact in f32.
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    std::memcpy(&wide, &magnitude, sizeof wide);
    wide |= sign;
  }
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

}  // namespace qavit
