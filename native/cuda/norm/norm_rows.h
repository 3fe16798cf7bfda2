// What layer_norm and rms_norm have in common: rows of any float dtype, one after the other, and who takes one.
//
// Rows of whole runs (device/runs.h) up to 2,048 wide are a warp's, which keeps one in its registers; others are a
// block's.
#pragma once

#include <cstdint>

#include "core/ops.h"
#include "core/status.h"

namespace qavit::cuda {

struct NormRows {
  const void* x;
  void* y;
  DType x_dtype, y_dtype;
  int64_t x_batch_stride, x_row_stride, y_batch_stride, y_row_stride;
  const float* gamma;  // [width] or null
  const float* beta;   // [width] or null
  float eps;
  uint32_t rows;        // of all batch entries
  uint32_t batch_rows;  // of one
  int width;
};

constexpr int kNormThreads = 128;       // of the warp kernels: 4 rows a block, so that 577 rows reach every SM
constexpr int kNormBlockThreads = 256;  // of the block kernels
constexpr int kMostNormRuns = 8;        // of a lane: 64 values in registers

NormRows norm_rows(const View& x, const View& y, const Weight* gamma, const Weight* beta, float eps);

// Runs that each lane of a warp holds; 0 = a row is a block's.
int norm_runs(const View& x, const View& y);

// ERR_UNSUPPORTED where a count would not fit the kernels' 32 bits.
Status norm_supports(const View& x, const char* where);

}  // namespace qavit::cuda
