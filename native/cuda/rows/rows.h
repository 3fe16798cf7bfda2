// GatherRowsParams, AppendRowsParams and CopyParams on a CUDA device. The three functions that launch.h describes, for
// each.
#pragma once

#include "core/ops.h"
#include "cuda/launch.h"

namespace qavit::cuda {

Status supports(const DeviceProperties& device, const GatherRowsParams& params);
size_t workspace_bytes(const DeviceProperties& device, const GatherRowsParams& params);
Status run(const Launch& context, const GatherRowsParams& params);

Status supports(const DeviceProperties& device, const AppendRowsParams& params);
size_t workspace_bytes(const DeviceProperties& device, const AppendRowsParams& params);
Status run(const Launch& context, const AppendRowsParams& params);

Status supports(const DeviceProperties& device, const CopyParams& params);
size_t workspace_bytes(const DeviceProperties& device, const CopyParams& params);
Status run(const Launch& context, const CopyParams& params);

}  // namespace qavit::cuda
