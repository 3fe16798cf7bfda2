// How an operation gets its kernels onto the device. An operation's folder offers three functions over its params:
//   Status supports(const DeviceProperties&, const Params&)          what run() would refuse; data pointers not set yet
//   size_t workspace_bytes(const DeviceProperties&, const Params&)   scratch it wants; 0 for most
//   Status run(const Launch&, const Params&)                         enqueues, never waits, never allocates
// All three ask the same select(), so that they cannot disagree.
#pragma once

#include <cstddef>

#include "core/status.h"
#include "cuda/device_properties.h"
#include "cuda/runtime.h"

namespace qavit::cuda {

struct Launch {
  const DeviceProperties& device;
  cudaStream_t stream;
  // Scratch of at least workspace_bytes(), 256-byte aligned; one for all operations of a device, which follow each
  // other on one stream.
  void* workspace;
  size_t workspace_bytes;
};

// Ok, or the error as Status: ERR_OUT_OF_MEMORY for memory, ERR_UNSUPPORTED where nothing in this build runs on the
// GPU, ERR_DEVICE for the rest. `where` is the operation.
Status check(cudaError_t error, const char* where);

// kernel<<<grid, block, shared_bytes, stream>>>(arguments...), with the opt-in that more than 48 KiB of dynamic shared
// memory needs, and overlapping the kernel before it where the device does that.
template <typename... Parameters, typename... Arguments>
Status launch(const Launch& context, const char* where, void (*kernel)(Parameters...), dim3 grid, dim3 block,
              size_t shared_bytes, Arguments... arguments) {
#ifdef QAVIT_CUDA_EMULATION
  return check(emulation::enqueue(context.stream,
                                  [=, overlap = context.device.overlap] {
                                    return emulation::launch(kernel, grid, block, shared_bytes, overlap,
                                                             static_cast<Parameters>(arguments)...);
                                  }),
               where);
#else
  if (shared_bytes > 48 * 1024) {
    const cudaError_t error =
        cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(shared_bytes));
    if (error != cudaSuccess) return check(error, where);
  }
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = context.stream;
  cudaLaunchAttribute overlap = {};
  overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  overlap.val.programmaticStreamSerializationAllowed = 1;
  config.attrs = &overlap;
  if (context.device.overlap) {
    // A new GPU may run what was compiled for an old one, which does not wait for earlier kernels.
    cudaFuncAttributes compiled = {};
    QAVIT_RETURN_IF_ERROR(check(cudaFuncGetAttributes(&compiled, reinterpret_cast<const void*>(kernel)), where));
    config.numAttrs = compiled.ptxVersion >= 90 ? 1 : 0;
  }
  return check(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...), where);
#endif
}

}  // namespace qavit::cuda
