#include "cuda/norm/norm_launch.cuh"
#include "cuda/rms_norm/rms_norm.h"
#include "cuda/rms_norm/rms_norm_factors.cuh"

namespace qavit::cuda {

namespace {

constexpr const char* kWhere = "rms_norm";

}  // namespace

Status supports(const DeviceProperties&, const RmsNormParams& p) { return norm_supports(p.x, kWhere); }

size_t workspace_bytes(const DeviceProperties&, const RmsNormParams&) { return 0; }

Status run(const Launch& context, const RmsNormParams& p) { return launch_norm<RmsNorm>(context, kWhere, p, nullptr); }

}  // namespace qavit::cuda
