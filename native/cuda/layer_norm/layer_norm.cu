#include "cuda/layer_norm/layer_norm.h"
#include "cuda/layer_norm/layer_norm_factors.cuh"
#include "cuda/norm/norm_launch.cuh"

namespace qavit::cuda {

namespace {

constexpr const char* kWhere = "layer_norm";

}  // namespace

Status supports(const DeviceProperties&, const LayerNormParams& p) { return norm_supports(p.x, kWhere); }

size_t workspace_bytes(const DeviceProperties&, const LayerNormParams&) { return 0; }

Status run(const Launch& context, const LayerNormParams& p) {
  return launch_norm<LayerNorm>(context, kWhere, p, p.beta);
}

}  // namespace qavit::cuda
