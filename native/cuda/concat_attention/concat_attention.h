// ConcatAttentionParams on a CUDA device. The three functions that launch.h describes.
#pragma once

#include "core/ops.h"
#include "cuda/launch.h"

namespace qavit::cuda {

Status supports(const DeviceProperties& device, const ConcatAttentionParams& params);
size_t workspace_bytes(const DeviceProperties& device, const ConcatAttentionParams& params);
Status run(const Launch& launch, const ConcatAttentionParams& params);

}  // namespace qavit::cuda
