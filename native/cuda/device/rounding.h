// core/rounding.h for kernels too.
#pragma once

#include "cuda/runtime.h"

namespace qavit::cuda {

template <typename A, typename B>
__host__ __device__ constexpr auto ceil_div(A a, B b) {
  return (a + b - 1) / b;
}

// The next multiple of b.
template <typename A, typename B>
__host__ __device__ constexpr auto round_up(A a, B b) {
  return ceil_div(a, b) * b;
}

}  // namespace qavit::cuda
