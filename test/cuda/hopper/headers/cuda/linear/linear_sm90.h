// Declares what the real one leaves out of an emulated build.
#pragma once

#include "core/ops.h"
#include "cuda/launch.h"
#include "cuda/linear/gemm.h"

namespace qavit::cuda {

bool linear_sm90_takes(const DeviceProperties& device, const LinearParams& params);
size_t linear_sm90_workspace_bytes(const DeviceProperties& device, const LinearParams& params,
                                   bool leave_parts = false);
Status run_linear_sm90(const Launch& context, const LinearParams& params, SplitSums* split = nullptr);

}  // namespace qavit::cuda
