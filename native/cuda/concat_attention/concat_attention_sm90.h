// The attention that Hopper's own kernel (TMA and wgmma, concat_attention_sm90.cu) takes over from the portable one.
// Not part of an emulated build.
#pragma once

#include "core/ops.h"
#include "cuda/launch.h"

namespace qavit::cuda {

// Whether run_attention_sm90 computes these params on this device. Looks at addresses where they are set: unaligned
// operands belong to the portable kernels. Needs no workspace.
bool attention_sm90_takes(const DeviceProperties& device, const ConcatAttentionParams& params);

// Enqueues params that are taken.
Status run_attention_sm90(const Launch& launch, const ConcatAttentionParams& params);

}  // namespace qavit::cuda
