// Every operation of the CUDA backend: supports(), workspace_bytes() and run(), overloaded on the params.
#pragma once

#include "core/ops.h"
#include "cuda/launch.h"

#if __has_include("cuda/concat_attention/concat_attention.h")
#include "cuda/concat_attention/concat_attention.h"
#endif
#if __has_include("cuda/gated_projection/gated_projection.h")
#include "cuda/gated_projection/gated_projection.h"
#endif
#if __has_include("cuda/layer_norm/layer_norm.h")
#include "cuda/layer_norm/layer_norm.h"
#endif
#if __has_include("cuda/linear/linear.h")
#include "cuda/linear/linear.h"
#endif
#if __has_include("cuda/patch_embed/patch_embed.h")
#include "cuda/patch_embed/patch_embed.h"
#endif
#if __has_include("cuda/question_attention/question_attention.h")
#include "cuda/question_attention/question_attention.h"
#endif
#if __has_include("cuda/rows/rows.h")
#include "cuda/rows/rows.h"
#endif

namespace qavit::cuda {

// Operations without a kernel.
template <typename Params>
Status supports(const DeviceProperties&, const Params& params) {
  return expected(ErrorCode::kUnsupported, "an operation with a CUDA kernel", op_name(OpParams(params)), "one without");
}
template <typename Params>
size_t workspace_bytes(const DeviceProperties&, const Params&) {
  return 0;
}
template <typename Params>
Status run(const Launch& launch, const Params& params) {
  return supports(launch.device, params);
}

}  // namespace qavit::cuda
