// PatchEmbedParams on a CUDA device. The three functions that launch.h describes.
#pragma once

#include "core/ops.h"
#include "cuda/launch.h"

namespace qavit::cuda {

Status supports(const DeviceProperties& device, const PatchEmbedParams& params);
size_t workspace_bytes(const DeviceProperties& device, const PatchEmbedParams& params);
Status run(const Launch& launch, const PatchEmbedParams& params);

}  // namespace qavit::cuda
