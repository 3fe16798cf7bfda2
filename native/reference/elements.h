// How the reference reads and writes single elements: every dtype through one double-valued door.
#pragma once

#include <vector>

#include "core/ops.h"

namespace qavit::reference {

inline double load(const View& view, int64_t b, int64_t r, int64_t c) {
  switch (view.dtype) {
    case DType::kF32:
      return view.row<const float>(b, r)[c];
    case DType::kBF16:
      return bf16_to_f32(view.row<const uint16_t>(b, r)[c]);
    case DType::kF16:
      return f16_to_f32(view.row<const uint16_t>(b, r)[c]);
    case DType::kU8:
      return view.row<const uint8_t>(b, r)[c];
    case DType::kI32:
      return view.row<const int32_t>(b, r)[c];
    case DType::kInt8:
      break;  // of matrices only
  }
  return 0;
}

inline std::vector<double> load_row(const View& view, int64_t b, int64_t r) {
  std::vector<double> row(static_cast<size_t>(view.cols));
  for (int64_t c = 0; c < view.cols; ++c) row[static_cast<size_t>(c)] = load(view, b, r, c);
  return row;
}

// Rounds once to f32 and, where the view asks for it, once more to 16 bits: what a kernel with f32 accumulators does.
inline void store(const View& view, int64_t b, int64_t r, int64_t c, double value) {
  const auto narrow = static_cast<float>(value);
  if (view.dtype == DType::kBF16) {
    view.row<uint16_t>(b, r)[c] = f32_to_bf16(narrow);
  } else if (view.dtype == DType::kF16) {
    view.row<uint16_t>(b, r)[c] = f32_to_f16(narrow);
  } else {
    view.row<float>(b, r)[c] = narrow;
  }
}

// A weight as the reference keeps it: dense row-major f32, already rounded to the compute dtype; in int8 the integers.
class DenseWeight : public Weight {
 public:
  std::vector<float> values;
  std::vector<float> scales;  // int8: of each [group, out]

  const float* row(int64_t group, int64_t r) const { return values.data() + (group * shape[1] + r) * shape[2]; }
};

inline const DenseWeight& dense(const Weight* weight) { return static_cast<const DenseWeight&>(*weight); }

// sum_i w[i] x[i] over n elements.
inline double dot(const float* w, const double* x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += w[i] * x[i];
  return sum;
}

// Element i of a vector, or `absent` where there is no such weight.
inline double element(const Weight* weight, int64_t i, double absent) {
  return weight != nullptr ? dense(weight).values[static_cast<size_t>(i)] : absent;
}

}  // namespace qavit::reference
