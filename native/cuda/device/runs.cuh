// Runs of N neighbouring elements of an operand in device memory whose dtype is known at run time, moved as one Pack:
// for kernels that wait for memory anyway, where a branch that all threads take alike is cheaper than a kernel for
// every pair of dtypes.
#pragma once

#include "cuda/device/runs.h"
#include "cuda/device/types.cuh"

namespace qavit::cuda {

template <typename T, int N>
__device__ inline void load_run_of(const void* data, int64_t offset, float (&values)[N]) {
  const Pack<T, N> pack = Pack<T, N>::load(static_cast<const T*>(data) + offset);
#pragma unroll
  for (int i = 0; i < N; ++i) values[i] = to_float(pack[i]);
}

template <typename T, int N>
__device__ inline void store_run_of(void* data, int64_t offset, const float (&values)[N]) {
  Pack<T, N> pack;
#pragma unroll
  for (int i = 0; i < N; ++i) pack[i] = from_float<T>(values[i]);
  pack.store_global(static_cast<T*>(data) + offset);
}

template <int N>
__device__ inline void load_run(const void* data, DType dtype, int64_t offset, float (&values)[N]) {
  switch (dtype) {
    case DType::kBF16:
      return load_run_of<bf16>(data, offset, values);
    case DType::kF16:
      return load_run_of<f16>(data, offset, values);
    default:
      return load_run_of<float>(data, offset, values);
  }
}

// Rounds to nearest even.
template <int N>
__device__ inline void store_run(void* data, DType dtype, int64_t offset, const float (&values)[N]) {
  switch (dtype) {
    case DType::kBF16:
      return store_run_of<bf16>(data, offset, values);
    case DType::kF16:
      return store_run_of<f16>(data, offset, values);
    default:
      return store_run_of<float>(data, offset, values);
  }
}

// What a store as `dtype` keeps.
template <int N>
__device__ inline void round_run(DType dtype, float (&values)[N]) {
#pragma unroll
  for (int i = 0; i < N; ++i) {
    if (dtype == DType::kBF16) values[i] = to_float(from_float<bf16>(values[i]));
    if (dtype == DType::kF16) values[i] = to_float(from_float<f16>(values[i]));
  }
}

}  // namespace qavit::cuda
