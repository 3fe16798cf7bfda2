// MeanRowsParams on a CUDA device. The three functions that launch.h describes.
#pragma once

#include "core/ops.h"
#include "cuda/launch.h"

namespace qavit::cuda {

Status supports(const DeviceProperties& device, const MeanRowsParams& params);
size_t workspace_bytes(const DeviceProperties& device, const MeanRowsParams& params);
Status run(const Launch& context, const MeanRowsParams& params);

}  // namespace qavit::cuda
