// The device side of epilogue.h: sums in, finished elements out.
//
// Sums leave mma.sync (and wgmma, whose warps hold theirs alike) two columns a lane over eight rows, which would store
// 16 bytes a row at a time. drain_fragment() turns them through shared memory, 16 rows at a time and each warp for
// itself, so that half a warp finishes 64 columns of one row: whole 128-byte lines of bf16, bias and residual read in
// the same shape. It also puts the sums behind an index that is known at run time, so that activation, dtypes and tails
// are one loop body and not one copy for every accumulator register.
#pragma once

#include "cuda/device/activation.cuh"
#include "cuda/device/types.cuh"
#include "cuda/linear/epilogue.h"
#include "cuda/runtime.h"

namespace qavit::cuda {

// Columns that are finished together.
constexpr int kVector = 4;

__device__ inline int64_t row_offset(const MatrixRows& m, uint32_t batch_rows, uint32_t row) {
  const uint32_t entry = row < batch_rows ? 0 : row / batch_rows;  // dense batches are one entry: no division
  return entry * m.batch_stride + (row - entry * batch_rows) * m.row_stride;
}

template <typename T>
__device__ inline void add_columns(const MatrixRows& m, int64_t offset, int count, float (&values)[kVector]) {
  const T* from = static_cast<const T*>(m.data) + offset;
  if (m.vectors && count == kVector) {
    const Pack<T, kVector> pack = Pack<T, kVector>::load(from);
#pragma unroll
    for (int i = 0; i < kVector; ++i) values[i] += to_float(pack[i]);
  } else {
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      if (i < count) values[i] += to_float(from[i]);
    }
  }
}

template <typename T>
__device__ inline void store_columns(const MatrixRows& m, int64_t offset, int count, const float (&values)[kVector]) {
  T* to = static_cast<T*>(m.data) + offset;
  if (m.vectors && count == kVector) {
    Pack<T, kVector> pack;
#pragma unroll
    for (int i = 0; i < kVector; ++i) pack[i] = from_float<T>(values[i]);
    pack.store(to);
  } else {
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      if (i < count) to[i] = from_float<T>(values[i]);
    }
  }
}

// `together`: see MatrixRows::vectors; vectors of f32 in device memory lie as the columns of y do.
__device__ inline void add_scaled(const float* vector, float scale, int column, int count, bool together,
                                  float (&values)[kVector]) {
  if (together) {
    const Pack<float, kVector> pack = Pack<float, kVector>::load(vector + column);
#pragma unroll
    for (int i = 0; i < kVector; ++i) values[i] += scale * pack[i];
  } else {
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      if (i < count) values[i] += scale * vector[column + i];
    }
  }
}

// kNarrow: results are rounded to bf16, whose 2^-9 hides what activate_narrow() gets wrong (2^-14).
template <Activation kActivation, bool kNarrow>
__device__ inline void activate_columns(float (&values)[kVector]) {
#pragma unroll
  for (int i = 0; i < kVector; ++i) {
    values[i] = kNarrow ? activate_narrow<kActivation>(values[i]) : activate<kActivation>(values[i]);
  }
}

// One branch for all columns: with one for each they would be computed one after another.
template <Activation kActivation>
__device__ inline void activate_columns(bool narrow, float (&values)[kVector]) {
  if (narrow) {
    activate_columns<kActivation, true>(values);
  } else {
    activate_columns<kActivation, false>(values);
  }
}

__device__ inline void activate_columns(Activation activation, bool narrow, float (&values)[kVector]) {
  switch (activation) {
    case Activation::kNone:
      break;
    case Activation::kRelu:
      return activate_columns<Activation::kRelu>(narrow, values);
    case Activation::kGeluErf:
      return activate_columns<Activation::kGeluErf>(narrow, values);
    case Activation::kGeluTanh:
      return activate_columns<Activation::kGeluTanh>(narrow, values);
    case Activation::kQuickGelu:
      return activate_columns<Activation::kQuickGelu>(narrow, values);
    case Activation::kSilu:
      return activate_columns<Activation::kSilu>(narrow, values);
    case Activation::kTanh:
      return activate_columns<Activation::kTanh>(narrow, values);
  }
}

// Finishes `count` (1 to kVector) columns of one row from `column` on; the other values are ignored. `column` counts
// over all groups and its place within its group is a multiple of kVector.
__device__ inline void finish_columns(const Epilogue& e, uint32_t row, int column, int count,
                                      float (&values)[kVector]) {
  const bool together = e.y.vectors && count == kVector;
  if (e.bias != nullptr) add_scaled(e.bias, 1.0f, column, count, together, values);
  if (e.gate_bias != nullptr) add_scaled(e.gate_bias, e.gate, column, count, together, values);
  activate_columns(e.activation, e.y.dtype == DType::kBF16, values);
#pragma unroll
  for (int i = 0; i < kVector; ++i) values[i] *= e.alpha;
  if (e.residual.data != nullptr) {
    const int64_t offset = row_offset(e.residual, e.batch_rows, row) + column;
    switch (e.residual.dtype) {
      case DType::kBF16:
        add_columns<bf16>(e.residual, offset, count, values);
        break;
      case DType::kF16:
        add_columns<f16>(e.residual, offset, count, values);
        break;
      default:
        add_columns<float>(e.residual, offset, count, values);
    }
  }
  const int64_t offset = row_offset(e.y, e.batch_rows, row) + column;
  switch (e.y.dtype) {
    case DType::kBF16:
      store_columns<bf16>(e.y, offset, count, values);
      break;
    case DType::kF16:
      store_columns<f16>(e.y, offset, count, values);
      break;
    default:
      store_columns<float>(e.y, offset, count, values);
  }
}

// Floats between two staged rows. 8 more than a multiple of 32: the 8-byte writes of a half warp (4 rows x 8 columns)
// then meet 32 different banks.
template <int kBlocks>
constexpr int kStagedRow = 8 * kBlocks + 8;

// Floats of shared memory that drain_fragment<kBlocks> takes a warp.
template <int kBlocks>
constexpr int kStagedFloats = 16 * kStagedRow<kBlocks>;

// Hands a warp's 16 x (8 * kBlocks) sums to sink(row in 0..15, column in steps of kVector, values). sums[j] holds the
// columns 8j + 2 (lane % 4) and the next, of row lane / 4 in [0], [1] and of row lane / 4 + 8 in [2], [3]. `staging` is
// the warp's own, 16-byte aligned. kBlocks is a multiple of 4.
template <int kBlocks, typename Sink>
__device__ inline void drain_fragment(const float (&sums)[kBlocks][4], float* staging, const Sink& sink) {
  constexpr int kVectorsPerRow = 8 * kBlocks / kVector;
  const int lane = static_cast<int>(threadIdx.x % 32);
  float* row = staging + lane / 4 * kStagedRow<kBlocks> + lane % 4 * 2;
  __syncwarp();  // the fragment before this one has been read
#pragma unroll
  for (int j = 0; j < kBlocks; ++j) {
    Pack<float, 2> upper, lower;
    upper[0] = sums[j][0];
    upper[1] = sums[j][1];
    lower[0] = sums[j][2];
    lower[1] = sums[j][3];
    upper.store(row + 8 * j);
    lower.store(row + 8 * kStagedRow<kBlocks> + 8 * j);
  }
  __syncwarp();
#pragma unroll 1
  for (int i = lane; i < 16 * kVectorsPerRow; i += 32) {
    const int r = i / kVectorsPerRow;
    const int column = i % kVectorsPerRow * kVector;
    const Pack<float, kVector> staged = Pack<float, kVector>::load(staging + r * kStagedRow<kBlocks> + column);
    float values[kVector];
#pragma unroll
    for (int v = 0; v < kVector; ++v) values[v] = staged[v];
    sink(r, column, values);
  }
}

}  // namespace qavit::cuda
