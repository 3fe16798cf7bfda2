// What a matrix product's sums go through on their way to memory, as kernels read it. The device side is epilogue.cuh;
// every product (portable, f32, split) ends in it, or does the same in the same order (sm_90a,
// linear_sm90_epilogue.cuh), so that they can differ in the order of sums only.
#pragma once

#include <cstdint>

#include "core/ops.h"

namespace qavit::cuda {

// A view's B * rows rows as one list: row m lies at (m / batch_rows) * batch_stride + (m % batch_rows) * row_stride.
struct MatrixRows {
  void* data = nullptr;  // null = operand absent
  DType dtype = DType::kF32;
  int64_t batch_stride = 0;
  int64_t row_stride = 0;
  // Whether the 4 columns from any multiple of 4 on can be moved at once: address and strides are multiples of it.
  bool vectors = false;
};

// y = residual + alpha * activation(sum + bias + gate * gate_bias)
struct Epilogue {
  const float* bias = nullptr;       // [columns] or null
  const float* gate_bias = nullptr;  // [columns] or null
  float gate = 0.0f;
  Activation activation = Activation::kNone;
  float alpha = 1.0f;
  MatrixRows residual;      // may be y: each element is read and then written by one thread
  MatrixRows y;             //
  uint32_t batch_rows = 1;  // rows of one batch entry, in y and residual
};

// Reads `view` as MatrixRows. `column_step` divides every first column that a kernel starts a run of columns at (the
// columns of one group): where it is no multiple of 4, nothing moves in vectors.
MatrixRows matrix_rows(const View& view, int64_t column_step);

}  // namespace qavit::cuda
