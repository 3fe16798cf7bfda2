// Running a kernel: all blocks of a grid.
#pragma once

#include <cstddef>
#include <cstdint>
#include <tuple>

#include "cuda/emulation/block.h"
#include "cuda/emulation/host_api.h"
#include "cuda/emulation/vector_types.h"

namespace qavit::cuda::emulation {

// The orders in which blocks and threads run follow from this number and how many launches came before; overrides the
// seed of QAVIT_EMULATION. For tests that look for an order in which a kernel goes wrong.
void set_seed(uint64_t seed);

// Returns when all blocks have run. cudaErrorInvalidValue for a grid, block or shared memory that no GPU takes,
// cudaErrorLaunchFailure for a kernel that did something wrong (fault.h).
cudaError_t run_grid(const Kernel& kernel, dim3 grid, dim3 block, size_t shared_bytes);

// `ordinal`: of the device. `overlaps`: whether a GPU might run it beside the kernels before it
// (device/dependent_launch.cuh). Here it never is.
template <typename... Parameters>
cudaError_t launch(int ordinal, void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes,
                   bool overlaps, Parameters... parameters) {
  // Also where a graph is launched that was recorded under another limit: what GPUs do then is not documented.
  if (shared_bytes > dynamic_shared_limit(ordinal, reinterpret_cast<const void*>(kernel))) return cudaErrorInvalidValue;
  using Call = std::tuple<void (*)(Parameters...), Parameters...>;
  const Call call(kernel, parameters...);
  const auto run = [](const void* arguments) {
    std::apply([](void (*function)(Parameters...), const Parameters&... values) { function(values...); },
               *static_cast<const Call*>(arguments));
  };
  return run_grid({run, &call, overlaps}, grid, block, shared_bytes);
}

}  // namespace qavit::cuda::emulation
