// What kernels share that turn each row of x into the row of y: a block of kRowThreads threads, of which threadIdx.x
// walks along a row and threadIdx.y over rows, so that narrow rows fill a block too.
#pragma once

#include "core/ops.h"
#include "cuda/launch.h"

namespace qavit::cuda {

constexpr int kRowThreads = 256;

struct RowOperands {
  const void* x;
  void* y;
  DType x_dtype, y_dtype;
  int64_t x_batch_stride, x_row_stride, y_batch_stride, y_row_stride;
  uint32_t rows;        // of all batch entries
  uint32_t batch_rows;  // of one
};

// x and y of as many batch entries and rows.
inline RowOperands row_operands(const View& x, const View& y) {
  RowOperands both;
  both.x = x.data;
  both.y = y.data;
  both.x_dtype = x.dtype;
  both.y_dtype = y.dtype;
  both.x_batch_stride = x.batch_stride;
  both.x_row_stride = x.row_stride;
  both.y_batch_stride = y.batch_stride;
  both.y_row_stride = y.row_stride;
  both.rows = static_cast<uint32_t>(y.batch * y.rows);
  both.batch_rows = static_cast<uint32_t>(y.rows);
  return both;
}

struct RowGrid {
  dim3 grid, block;
};

// For rows along which a thread takes one of `steps`, or every so many.
RowGrid row_grid(uint32_t rows, uint32_t steps);

// Rows and columns are counted in 32 bits.
Status supports_rows(const View& view, const char* where);

}  // namespace qavit::cuda
