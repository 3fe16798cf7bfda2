// Folded, a gated projection is one product. Unfolded, both products meet in one pass over the packed rows: each tile
// is multiplied by both weights before its epilogue, so x is packed once and y written once.
#include "cpu/gemm.h"
#include "cpu/operations.h"

namespace qavit::cpu {

Status run(Context& context, const GatedProjectionParams& p) {
  Gemm gemm;
  gemm.rows = p.x.batch * p.x.rows;
  gemm.x = span_of(p.x);
  gemm.weight = &packed(p.weight);
  gemm.bias = vector_of(p.bias);
  if (p.gate_weight != nullptr) {
    gemm.gate_weight = &packed(p.gate_weight);
    gemm.gate_bias = vector_of(p.gate_bias);
    gemm.gate = p.gate;
  }
  gemm.residual = span_of(p.residual);
  gemm.y = span_of(p.y);
  return run_gemm(context, gemm, "gated_projection");
}

}  // namespace qavit::cpu
