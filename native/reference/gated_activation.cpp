// y[b, r, c] = activation(x[b, r, c]) * x[b, r, C + c]
#include "reference/elements.h"
#include "reference/operations.h"

namespace qavit::reference {

void gated_activation(const GatedActivationParams& p) {
  for (int64_t b = 0; b < p.y.batch; ++b) {
    for (int64_t r = 0; r < p.y.rows; ++r) {
      for (int64_t c = 0; c < p.y.cols; ++c) {
        store(p.y, b, r, c, activate(p.activation, load(p.x, b, r, c)) * load(p.x, b, r, p.y.cols + c));
      }
    }
  }
}

}  // namespace qavit::reference
