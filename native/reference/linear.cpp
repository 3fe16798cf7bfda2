// y[b, r, g*out + o] = residual + alpha * activation(sum_i weight[g, o, i] x[b, r, g*in + i] + bias[g*out + o])
#include "reference/operand_row.h"
#include "reference/operations.h"

namespace qavit::reference {

void linear(const LinearParams& p) {
  const DenseWeight& weight = dense(p.weight);
  const int64_t groups = weight.shape[0], out = weight.shape[1];
  for (int64_t b = 0; b < p.y.batch; ++b) {
    for (int64_t r = 0; r < p.y.rows; ++r) {
      const OperandRow x(p.x, b, r, weight);
      for (int64_t column = 0; column < groups * out; ++column) {
        const double sum = x.dot(weight, column / out, column % out) + element(p.bias, column, 0);
        const double residual = p.residual.present() ? load(p.residual, b, r, column) : 0;
        store(p.y, b, r, column, residual + p.alpha * activate(p.activation, sum));
      }
    }
  }
}

}  // namespace qavit::reference
