// to[b, position[b] + r, :] = from[row of (b, r), :], converting the dtype: copy, both forms of gather_rows, and, where
// there is a position, append_rows.
//
// A thread takes kLength elements of a row at a time: kRun where both operands are aligned for it (a row's last
// elements may be fewer), else 1.
//
// It moves memory and does nothing else: the bytes of both operands at the memory's rate bound it. Prediction, never
// run on a GPU yet: [32, 577, 1024] of bf16 is 76 MB, 18 us on an H200.
#pragma once

#include "cuda/device/dependent_launch.cuh"
#include "cuda/device/runs.cuh"
#include "cuda/rows/row_operands.cuh"

namespace qavit::cuda {

enum class RowSource : uint8_t {
  kSame,   // from[b, r]
  kEntry,  // from[index[b], r]
  kTable,  // from[0, index[b * batch_rows + r]]
};

struct MoveRows {
  const void* from;
  void* to;
  DType from_dtype, to_dtype;
  int64_t from_batch_stride, from_row_stride, to_batch_stride, to_row_stride;
  RowSource source;
  const int32_t* index;     // in range: the plan checks its indices before it runs
  const int32_t* position;  // likewise; null: 0 for all
  uint32_t rows;            // of all batch entries that are written
  uint32_t batch_rows;      // of one
  int width;
};

__device__ inline int64_t source_offset(const MoveRows& p, uint32_t row, uint32_t entry, uint32_t line) {
  switch (p.source) {
    case RowSource::kEntry:
      return p.index[entry] * p.from_batch_stride + line * p.from_row_stride;
    case RowSource::kTable:
      return p.index[row] * p.from_row_stride;
    default:
      return entry * p.from_batch_stride + line * p.from_row_stride;
  }
}

template <int kLength>
__device__ inline void move_run(const MoveRows& p, int64_t from, int64_t to) {
  float values[kLength];
  load_run(p.from, p.from_dtype, from, values);
  store_run(p.to, p.to_dtype, to, values);
}

template <int kLength>
__global__ void __launch_bounds__(kRowThreads) move_rows_kernel(const MoveRows p) {
  follow_earlier_kernels();
  const uint32_t row = row_of_thread();
  if (row >= p.rows) return;
  const uint32_t entry = row / p.batch_rows, line = row - entry * p.batch_rows;
  const int64_t from = source_offset(p, row, entry, line);
  const int64_t first = p.position == nullptr ? 0 : p.position[entry];
  const int64_t to = entry * p.to_batch_stride + (first + line) * p.to_row_stride;
  const int step = static_cast<int>(blockDim.x) * kLength;
  for (int column = static_cast<int>(threadIdx.x) * kLength; column < p.width; column += step) {
    if (column + kLength <= p.width) {
      move_run<kLength>(p, from + column, to + column);
    } else {
      for (int i = column; i < p.width; ++i) move_run<1>(p, from + i, to + i);
    }
  }
}

}  // namespace qavit::cuda
