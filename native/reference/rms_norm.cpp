// y = x / sqrt(mean(x^2) + eps) * gamma over the last dimension
#include <cmath>

#include "reference/elements.h"
#include "reference/operations.h"

namespace qavit::reference {

void rms_norm(const RmsNormParams& p) {
  const auto width = static_cast<double>(p.x.cols);
  for (int64_t b = 0; b < p.x.batch; ++b) {
    for (int64_t r = 0; r < p.x.rows; ++r) {
      const std::vector<double> x = load_row(p.x, b, r);
      double square = 0;
      for (const double value : x) square += value * value / width;
      const double scale = 1 / std::sqrt(square + p.eps);
      for (int64_t c = 0; c < p.x.cols; ++c) {
        store(p.y, b, r, c, x[static_cast<size_t>(c)] * scale * element(p.gamma, c, 1));
      }
    }
  }
}

}  // namespace qavit::reference
