// How an operation gets its kernels onto the device. An operation's folder offers three functions over its params:
//   Status supports(const DeviceProperties&, const Params&)          what run() would refuse; data pointers not set yet
//   size_t workspace_bytes(const DeviceProperties&, const Params&)   scratch it wants; 0 for most
//   Status run(const Launch&, const Params&)                         enqueues, never waits, never allocates
// All three ask the same select(), so that they cannot disagree.
#pragma once

#include <cstddef>

#include "core/status.h"
#include "cuda/device_properties.h"
#include "cuda/kernel_limits.h"
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

// kernel<<<grid, block, shared_bytes, stream>>>(arguments...), overlapping the kernel before it where the device does
// that.
template <typename... Parameters, typename... Arguments>
Status launch(const Launch& context, const char* where, void (*kernel)(Parameters...), dim3 grid, dim3 block,
              size_t shared_bytes, Arguments... arguments) {
  bool overlaps = false;
  QAVIT_RETURN_IF_ERROR(ready_kernel(context.device, reinterpret_cast<const void*>(kernel), where, &overlaps));
  overlaps = overlaps && context.device.overlap;
#ifdef QAVIT_CUDA_EMULATION
  return check(emulation::enqueue(context.stream,
                                  [=, ordinal = context.device.ordinal] {
                                    return emulation::launch(ordinal, kernel, grid, block, shared_bytes, overlaps,
                                                             static_cast<Parameters>(arguments)...);
                                  }),
               where);
#else
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = context.stream;
  cudaLaunchAttribute overlap = {};
  overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  overlap.val.programmaticStreamSerializationAllowed = 1;
  config.attrs = &overlap;
  config.numAttrs = overlaps ? 1 : 0;
  return check(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...), where);
#endif
}

}  // namespace qavit::cuda
