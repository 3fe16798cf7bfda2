// y = residual + P(x) + gate * P_g(x) on a CUDA device; see core/ops.h.
#pragma once

#include <optional>

#include "core/ops.h"
#include "cuda/launch.h"

namespace qavit::cuda {

Status supports(const DeviceProperties& device, const GatedProjectionParams& params);
size_t workspace_bytes(const DeviceProperties& device, const GatedProjectionParams& params);
Status run(const Launch& context, const GatedProjectionParams& params);

// What it is where the gate is folded into the weights; nothing where it is not.
std::optional<LinearParams> folded_linear(const GatedProjectionParams& params);

}  // namespace qavit::cuda
