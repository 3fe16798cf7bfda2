// The names that kernels and launch.h use, on the model.
#pragma once

#include <memory>  // before qualifiers.h, since it uses __noinline__ in its own way

#include "cuda/emulation/intrinsics.h"
#include "cuda/emulation/narrow_floats.h"
#include "cuda/emulation/qualifiers.h"
#include "cuda/emulation/vector_types.h"
#include "model.h"

using cudaStream_t = void*;
enum cudaError_t { cudaSuccess = 0 };
cudaError_t cudaMalloc(void** memory, size_t bytes);  // every byte 0xff, a NaN
cudaError_t cudaFree(void* memory);

#define threadIdx (::qavit::cuda::emulation::position().thread)
#define blockIdx (::qavit::cuda::emulation::position().block)

inline void __syncthreads() { qavit::cuda::emulation::block_barrier(); }
inline void __syncwarp() { qavit::cuda::emulation::exchange(0); }
inline bool __any_sync(uint32_t, bool value) {
  const uint64_t* const lanes = qavit::cuda::emulation::exchange(value ? 1 : 0);
  return std::any_of(lanes, lanes + 32, [](uint64_t lane) { return lane != 0; });
}
inline float __shfl_xor_sync(uint32_t, float value, int distance) {
  const uint64_t* const lanes = qavit::cuda::emulation::exchange(std::bit_cast<uint32_t>(value));
  return std::bit_cast<float>(static_cast<uint32_t>(lanes[(threadIdx.x % 32) ^ static_cast<unsigned>(distance)]));
}

namespace qavit::cuda::emulation {

inline cudaError_t enqueue(cudaStream_t, const std::function<cudaError_t()>& work) { return work(); }

template <typename... Parameters>
cudaError_t launch(int, void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes, bool,
                   const Parameters&... arguments) {
  run_grid(grid, block, shared_bytes, [&] { kernel(arguments...); });
  return cudaSuccess;
}

}  // namespace qavit::cuda::emulation
