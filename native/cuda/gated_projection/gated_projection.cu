// Folded, this is a linear. With the gate's own matrix it is one product whose sums walk over both matrices,
//
//   y = residual + [gate * x Wg^T, then + x W^T] + b + gate * bg
//
// in one set of accumulators (linear/mma_kernel.cuh): the multiply-adds of two linears, without writing P_g(x),
// rounding it to y's dtype and reading it back. Two sets of accumulators would read x once instead of twice (from L2
// mostly), at the price of half the tile for the same registers, and so of more reads of shared memory for each
// multiply-add.
#include "cuda/gated_projection/gated_projection.h"
#include "cuda/linear/gemm.h"
#include "cuda/linear/linear.h"

namespace qavit::cuda {

namespace {

constexpr const char* kWhere = "gated_projection";

GemmOperands operands_of(const GatedProjectionParams& p) {
  GemmOperands o;
  o.x = p.x;
  o.weight = p.weight;
  o.bias = p.bias;
  o.gate_weight = p.gate_weight;
  o.gate_bias = p.gate_bias;
  o.gate = p.gate;
  o.residual = p.residual;
  o.y = p.y;
  return o;
}

}  // namespace

std::optional<LinearParams> folded_linear(const GatedProjectionParams& p) {
  if (p.gate_weight != nullptr) return std::nullopt;
  LinearParams linear;
  linear.x = p.x;
  linear.weight = p.weight;
  linear.bias = p.bias;
  linear.residual = p.residual;
  linear.y = p.y;
  return linear;
}

Status supports(const DeviceProperties&, const GatedProjectionParams& p) {
  return gemm_supports(operands_of(p), kWhere);
}

size_t workspace_bytes(const DeviceProperties& device, const GatedProjectionParams& p) {
  const std::optional<LinearParams> linear = folded_linear(p);
  return linear ? workspace_bytes(device, *linear) : gemm_workspace_bytes(device, operands_of(p));
}

Status run(const Launch& context, const GatedProjectionParams& p) {
  const std::optional<LinearParams> linear = folded_linear(p);
  return linear ? run(context, *linear) : run_gemm(context, operands_of(p), kWhere);
}

}  // namespace qavit::cuda
