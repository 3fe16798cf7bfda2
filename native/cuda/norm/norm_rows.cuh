// Rows of layer_norm and rms_norm on the device: where one lies, and a warp's reading of one into registers and writing
// it back.
#pragma once

#include "cuda/device/runs.cuh"
#include "cuda/norm/norm_rows.h"

namespace qavit::cuda {

struct RowOffsets {
  int64_t x, y;
};

__device__ inline RowOffsets row_offsets(const NormRows& p, uint32_t row) {
  const uint32_t entry = row / p.batch_rows, line = row - entry * p.batch_rows;
  return {entry * p.x_batch_stride + line * p.x_row_stride, entry * p.y_batch_stride + line * p.y_row_stride};
}

// The runs of a row that a lane holds; those past the row's end are zeros.
template <typename T, int kRuns>
__device__ inline void load_row_of(const NormRows& p, int64_t offset, int lane, float (&values)[kRuns][kRun]) {
#pragma unroll
  for (int i = 0; i < kRuns; ++i) {
    const int column = (i * 32 + lane) * kRun;
    if (column < p.width) {
      load_run_of<T>(p.x, offset + column, values[i]);
    } else {
#pragma unroll
      for (int j = 0; j < kRun; ++j) values[i][j] = 0.0f;
    }
  }
}

// The switch stands outside of the loop, so that one branch precedes all loads.
template <int kRuns>
__device__ inline void load_row(const NormRows& p, int64_t offset, int lane, float (&values)[kRuns][kRun]) {
  switch (p.x_dtype) {
    case DType::kBF16:
      return load_row_of<bf16>(p, offset, lane, values);
    case DType::kF16:
      return load_row_of<f16>(p, offset, lane, values);
    default:
      return load_row_of<float>(p, offset, lane, values);
  }
}

// The reverse, behind one branch too.
template <typename T, int kRuns>
__device__ inline void store_row_of(const NormRows& p, int64_t offset, int lane, const float (&values)[kRuns][kRun]) {
#pragma unroll
  for (int i = 0; i < kRuns; ++i) {
    const int column = (i * 32 + lane) * kRun;
    if (column < p.width) store_run_of<T>(p.y, offset + column, values[i]);
  }
}

template <int kRuns>
__device__ inline void store_row(const NormRows& p, int64_t offset, int lane, const float (&values)[kRuns][kRun]) {
  switch (p.y_dtype) {
    case DType::kBF16:
      return store_row_of<bf16>(p, offset, lane, values);
    case DType::kF16:
      return store_row_of<f16>(p, offset, lane, values);
    default:
      return store_row_of<float>(p, offset, lane, values);
  }
}

}  // namespace qavit::cuda
