// y = residual + alpha * activation(x W^T + bias) on a CUDA device; see core/ops.h.
#pragma once

#include "core/ops.h"
#include "cuda/launch.h"

namespace qavit::cuda {

Status supports(const DeviceProperties& device, const LinearParams& params);
size_t workspace_bytes(const DeviceProperties& device, const LinearParams& params);
Status run(const Launch& context, const LinearParams& params);

}  // namespace qavit::cuda
