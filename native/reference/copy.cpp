// y = x
#include "reference/elements.h"
#include "reference/operations.h"

namespace qavit::reference {

void copy(const CopyParams& p) {
  for (int64_t b = 0; b < p.y.batch; ++b) {
    for (int64_t r = 0; r < p.y.rows; ++r) {
      for (int64_t c = 0; c < p.y.cols; ++c) store(p.y, b, r, c, load(p.x, b, r, c));
    }
  }
}

}  // namespace qavit::reference
