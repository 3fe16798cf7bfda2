// y = residual + (x W^T + b) + gate (x Wg^T + bg); the second term only where gate_weight is given.
#include "reference/operand_row.h"
#include "reference/operations.h"

namespace qavit::reference {

void gated_projection(const GatedProjectionParams& p) {
  const DenseWeight& weight = dense(p.weight);
  for (int64_t b = 0; b < p.y.batch; ++b) {
    for (int64_t r = 0; r < p.y.rows; ++r) {
      const OperandRow x(p.x, b, r, weight);
      for (int64_t o = 0; o < p.y.cols; ++o) {
        const double projected = x.dot(weight, 0, o) + element(p.bias, o, 0);
        double gated = 0;
        if (p.gate_weight != nullptr) {
          gated = p.gate * (x.dot(dense(p.gate_weight), 0, o) + element(p.gate_bias, o, 0));
        }
        const double residual = p.residual.present() ? load(p.residual, b, r, o) : 0;
        store(p.y, b, r, o, residual + projected + gated);
      }
    }
  }
}

}  // namespace qavit::reference
