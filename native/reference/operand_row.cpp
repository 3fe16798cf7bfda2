// int8 (core/int8.h):  a_i = clamp(nearest(x_i / scale), -zero, 255 - zero);  sum_i a_i q_i;  f32(sum) * (scale *
// scale)
#include "reference/operand_row.h"

#include <algorithm>
#include <cmath>

namespace qavit::reference {

namespace {

// Replaces n values by their levels.
Int8Row quantize(double* values, int64_t n) {
  float low = 0.0f, high = 0.0f;
  bool finite = true;
  for (int64_t i = 0; i < n; ++i) {
    const auto value = static_cast<float>(values[i]);
    finite = finite && std::isfinite(value);
    low = std::min(low, value);
    high = std::max(high, value);
  }
  const Int8Row row = int8_row(low, high, finite);
  for (int64_t i = 0; i < n; ++i) {
    const float level = int8_level(static_cast<float>(values[i]), row);
    values[i] = std::clamp(level, -row.zero, 255.0f - row.zero);
  }
  return row;
}

}  // namespace

OperandRow::OperandRow(const View& x, int64_t b, int64_t r, const DenseWeight& weight) : values_(load_row(x, b, r)) {
  if (weight.dtype != DType::kInt8) return;
  const int64_t in = weight.shape[2];
  for (int64_t group = 0; group < weight.shape[0]; ++group) {
    scales_.push_back(quantize(values_.data() + group * in, in));
  }
}

double OperandRow::dot(const DenseWeight& weight, int64_t group, int64_t out) const {
  const int64_t in = weight.shape[2];
  const double sum = reference::dot(weight.row(group, out), values_.data() + group * in, in);
  if (weight.dtype != DType::kInt8) return sum;
  const float channel = weight.scales[static_cast<size_t>(group * weight.shape[1] + out)];
  return static_cast<float>(sum) * (scales_[static_cast<size_t>(group)].scale * channel);
}

}  // namespace qavit::reference
