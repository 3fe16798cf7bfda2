// View: how an operation sees an activation. Owns nothing.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace qavit {

// [batch, rows, cols] with contiguous columns. Strides count elements, so a view can be a column slice (q, k, v of one
// fused projection), a row slice (the class token dropped) or a broadcast (batch_stride 0: one question for a whole
// batch).
struct View {
  void* data = nullptr;  // element [0, 0, 0]; null = operand absent
  DType dtype = DType::kF32;
  int64_t batch = 0;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t batch_stride = 0;
  int64_t row_stride = 0;

  bool present() const { return batch > 0; }

  template <typename T>
  T* row(int64_t b, int64_t r) const {
    return static_cast<T*>(data) + b * batch_stride + r * row_stride;
  }
};

}  // namespace qavit
