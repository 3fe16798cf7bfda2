// Which GPUs there are, and which of them this process has lost.
#pragma once

#include <string>

#include "core/status.h"
#include "cuda/device_properties.h"

namespace qavit::cuda {

// Oldest GPUs the kernels run on: bf16 in tensor cores and cp.async came with 8.0.
constexpr int kMinComputeCapability = 80;

// Reads what GPU `ordinal` is, counted as CUDA counts (CUDA_VISIBLE_DEVICES hides and reorders). Makes no context and
// takes no memory on it. ERR_UNSUPPORTED, saying what to do, where there is no driver, one too old, no GPU, no such GPU
// or one too old.
Status describe_device(int ordinal, DeviceProperties* properties, std::string* name);

// A fault inside a kernel ends the CUDA context of a whole process on that GPU: every later call answers the same
// error. These two keep the first one for all backends of the GPU, whatever thread they live in.
void mark_lost(int ordinal, const Status& first);
Status check_not_lost(int ordinal);

}  // namespace qavit::cuda
