// Where a row of RowOperands lies.
#pragma once

#include "cuda/rows/row_operands.h"

namespace qavit::cuda {

struct RowPlace {
  uint32_t line;  // of its batch entry
  int64_t x, y;   // elements from the operands' first ones
};

// This thread's row, counted through all batch entries.
__device__ inline uint32_t row_of_thread() { return blockIdx.x * blockDim.y + threadIdx.y; }

__device__ inline RowPlace place_of(const RowOperands& p, uint32_t row) {
  const uint32_t entry = row / p.batch_rows, line = row - entry * p.batch_rows;
  return {line, entry * p.x_batch_stride + line * p.x_row_stride, entry * p.y_batch_stride + line * p.y_row_stride};
}

}  // namespace qavit::cuda
