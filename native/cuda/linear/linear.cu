// linear as a Gemm, or as Hopper's own kernel where that takes it.
#include <algorithm>

#include "cuda/linear/gemm.h"
#include "cuda/linear/linear.h"
#include "cuda/linear/linear_sm90.h"

namespace qavit::cuda {

namespace {

constexpr const char* kWhere = "linear";

enum class Family : uint8_t { kPortable, kSm90 };

// The one place where the kernel family is chosen.
Family select(const DeviceProperties& device, const LinearParams& p) {
  return linear_sm90_takes(device, p) ? Family::kSm90 : Family::kPortable;
}

}  // namespace

GemmOperands operands_of(const LinearParams& p) {
  GemmOperands o;
  o.x = p.x;
  o.weight = p.weight;
  o.bias = p.bias;
  o.activation = p.activation;
  o.alpha = p.alpha;
  o.residual = p.residual;
  o.y = p.y;
  return o;
}

Status supports(const DeviceProperties&, const LinearParams& p) { return gemm_supports(operands_of(p), kWhere); }

// Enough for either family: where addresses, not known yet, turn out unaligned, the portable one runs.
size_t workspace_bytes(const DeviceProperties& device, const LinearParams& p) {
  const size_t portable = gemm_workspace_bytes(device, operands_of(p));
  if (select(device, p) == Family::kPortable) return portable;
  return std::max(portable, linear_sm90_workspace_bytes(device, p));
}

Status run(const Launch& context, const LinearParams& p) {
  if (select(context.device, p) == Family::kSm90) return run_linear_sm90(context, p);
  return run_gemm(context, operands_of(p), kWhere);
}

}  // namespace qavit::cuda
