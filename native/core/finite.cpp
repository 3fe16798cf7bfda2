#include "core/finite.h"

#include <algorithm>
#include <cstring>

namespace qavit {

namespace {

// Elements looked at between two questions whether one was bad: enough that the loop inside is a vector loop.
constexpr int64_t kBlock = 4096;

// All exponent bits set means infinity or NaN, in every IEEE format.
template <typename Bits>
int64_t first_with_exponent(const char* data, Bits exponent, int64_t count) {
  const auto bad = [=](int64_t i) {
    Bits bits;
    std::memcpy(&bits, data + i * static_cast<int64_t>(sizeof bits), sizeof bits);
    return (bits & exponent) == exponent;
  };
  for (int64_t start = 0; start < count; start += kBlock) {
    const int64_t end = std::min(count, start + kBlock);
    Bits any = 0;
    for (int64_t i = start; i < end; ++i) any = static_cast<Bits>(any | Bits{bad(i)});
    if (any == 0) continue;
    for (int64_t i = start; i < end; ++i) {
      if (bad(i)) return i;
    }
  }
  return -1;
}

}  // namespace

int64_t first_non_finite(const void* data, DType dtype, int64_t count) {
  const char* bytes = static_cast<const char*>(data);
  if (dtype == DType::kF32) return first_with_exponent<uint32_t>(bytes, 0x7f800000u, count);
  return first_with_exponent<uint16_t>(bytes, dtype == DType::kBF16 ? 0x7f80 : 0x7c00, count);
}

}  // namespace qavit
