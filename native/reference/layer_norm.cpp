// y = (x - mean) / sqrt(variance + eps) * gamma + beta over the last dimension; mean first, then the biased variance
// around it.
#include <cmath>

#include "reference/elements.h"
#include "reference/operations.h"

namespace qavit::reference {

void layer_norm(const LayerNormParams& p) {
  const auto width = static_cast<double>(p.x.cols);
  for (int64_t b = 0; b < p.x.batch; ++b) {
    for (int64_t r = 0; r < p.x.rows; ++r) {
      const std::vector<double> x = load_row(p.x, b, r);
      double mean = 0;
      for (const double value : x) mean += value / width;
      double variance = 0;
      for (const double value : x) variance += (value - mean) * (value - mean) / width;
      const double scale = 1 / std::sqrt(variance + p.eps);
      for (int64_t c = 0; c < p.x.cols; ++c) {
        const double normal = (x[static_cast<size_t>(c)] - mean) * scale;
        store(p.y, b, r, c, normal * element(p.gamma, c, 1) + element(p.beta, c, 0));
      }
    }
  }
}

}  // namespace qavit::reference
