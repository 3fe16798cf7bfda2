// A product and the layer norm of its rows that follows it: where the product's sums are split, the kernel that adds
// their parts takes the norm too (reduce_norm_kernel.cuh), with the bits that the two operations have apart.
#pragma once

#include <optional>

#include "core/ops.h"
#include "cuda/launch.h"

namespace qavit::cuda {

struct LinearNorm {
  LinearParams linear;
  LayerNormParams norm;
};

// The two as one, where `second` is the layer norm of what `first`, a linear or a folded gated projection, writes, and
// the kernel can take both. Addresses that are not set yet are taken as fitting.
std::optional<LinearNorm> join(const OpParams& first, const OpParams& second);

// Enough for the two apart as well, which is how they run where addresses turn out not to fit.
size_t workspace_bytes(const DeviceProperties& device, const LinearNorm& params);
Status run(const Launch& context, const LinearNorm& params);

}  // namespace qavit::cuda
