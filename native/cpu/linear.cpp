#include "cpu/gemm.h"
#include "cpu/operations.h"

namespace qavit::cpu {

Status run(Context& context, const LinearParams& p) {
  Gemm gemm;
  gemm.rows = p.x.batch * p.x.rows;
  gemm.x = span_of(p.x);
  gemm.weight = &packed(p.weight);
  gemm.bias = vector_of(p.bias);
  gemm.activation = p.activation;
  gemm.alpha = p.alpha;
  gemm.residual = span_of(p.residual);
  gemm.y = span_of(p.y);
  return run_gemm(context, gemm, "linear");
}

}  // namespace qavit::cpu
