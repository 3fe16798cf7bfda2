// y[b, r, c] = mean over i in [0, G) of x[b, r * G + i, c]
#include "reference/elements.h"
#include "reference/operations.h"

namespace qavit::reference {

void mean_rows(const MeanRowsParams& p) {
  const int64_t group = p.x.rows / p.y.rows;
  for (int64_t b = 0; b < p.y.batch; ++b) {
    for (int64_t r = 0; r < p.y.rows; ++r) {
      for (int64_t c = 0; c < p.y.cols; ++c) {
        double sum = 0;
        for (int64_t i = 0; i < group; ++i) sum += load(p.x, b, r * group + i, c);
        store(p.y, b, r, c, sum / static_cast<double>(group));
      }
    }
  }
}

}  // namespace qavit::reference
