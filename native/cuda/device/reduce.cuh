// Sums and maxima over threads, the same bits in every run.
#pragma once

#include "cuda/runtime.h"

namespace qavit::cuda {

constexpr uint32_t kWholeWarp = 0xffffffffu;

// Over the kLanes (a power of two) neighbouring lanes that the lane belongs to; every lane gets the result, and all 32
// call this. A tree: lane l meets l ^ 16, then l ^ 8, ...
template <int kLanes = 32>
__device__ inline float warp_sum(float value) {
#pragma unroll
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(kWholeWarp, value, distance);
  }
  return value;
}

// NaNs are passed over, as fmaxf does.
template <int kLanes = 32>
__device__ inline float warp_max(float value) {
#pragma unroll
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    value = fmaxf(value, __shfl_xor_sync(kWholeWarp, value, distance));
  }
  return value;
}

// Over a block of kWarps whole warps in one dimension; every thread gets the result. `scratch` is kWarps floats of
// shared memory, which may be written again after the next barrier.
template <int kWarps>
__device__ inline float block_sum(float value, float* scratch) {
  value = warp_sum(value);
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = value;
  __syncthreads();
  float sum = 0;
#pragma unroll
  for (int i = 0; i < kWarps; ++i) sum += scratch[i];
  return sum;
}

}  // namespace qavit::cuda
