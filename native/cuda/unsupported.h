// What a language model needs and no CUDA kernel computes: a plan with one of these is refused when it is compiled, and
// runs on the CPU device instead.
#pragma once

#include <concepts>

#include "core/ops.h"
#include "cuda/launch.h"

namespace qavit::cuda {

template <typename Params>
concept Unsupported = std::same_as<Params, RmsNormParams> || std::same_as<Params, AttentionParams> ||
                      std::same_as<Params, AppendRowsParams>;

template <Unsupported Params>
Status supports(const DeviceProperties&, const Params& params) {
  return expected(ErrorCode::kUnsupported, "an operation that CUDA devices compute", op_name(params),
                  "one that only the CPU does");
}
template <Unsupported Params>
size_t workspace_bytes(const DeviceProperties&, const Params&) {
  return 0;
}
template <Unsupported Params>
Status run(const Launch& context, const Params& params) {
  return supports(context.device, params);
}

}  // namespace qavit::cuda
