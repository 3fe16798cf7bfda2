// Weight: a parameter resident on a device in the form its backend computes with (packed panels on the CPU, swizzled
// tiles on a GPU). Uploaded once, immutable afterwards, shared by every Plan that names it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/dtype.h"

namespace qavit {

enum class WeightRole : uint8_t {
  kMatrix,  // [groups, out, in]: the W of y = x W^T, packed; dtype f32, bf16, (GPUs, reference) f16 or (CPU,
            // reference) int8
  kVector,  // [n]: bias, layer-norm gain, ...; always f32
  kTable,   // [rows, cols]: read by row (position table f32, embedding table like a matrix)
};

inline constexpr Named<WeightRole> kRoleNames[] = {
    {WeightRole::kMatrix, "matrix"}, {WeightRole::kVector, "vector"}, {WeightRole::kTable, "table"}};

constexpr const char* role_name(WeightRole role) { return name_of(kRoleNames, role); }

class Weight {
 public:
  virtual ~Weight() = default;

  WeightRole role = WeightRole::kVector;
  DType dtype = DType::kF32;
  // kMatrix {groups, out, in}; kTable {1, rows, cols}; kVector {1, 1, n}.
  std::array<int64_t, 3> shape{};
  size_t bytes = 0;  // device memory held
};

// What a weight is made from: dense, row-major, host memory that stays valid during Backend::upload only.
struct WeightSource {
  const void* data = nullptr;
  DType dtype = DType::kF32;  // f32, bf16 or f16
  std::array<int64_t, 3> shape{};
  WeightRole role = WeightRole::kVector;
  // What kMatrix and kTable are kept in, rounded once, to nearest even. kMatrix alone may be int8: see int8.h.
  DType compute_dtype = DType::kF32;
};

// Element i of a source, which may lie at any address.
inline float read_element(const WeightSource& source, int64_t i) {
  const char* at = static_cast<const char*>(source.data) + i * static_cast<int64_t>(dtype_size(source.dtype));
  if (source.dtype == DType::kF32) {
    float value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return source.dtype == DType::kBF16 ? bf16_to_f32(bits) : f16_to_f32(bits);
}

}  // namespace qavit
