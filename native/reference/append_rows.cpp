// cache[b, position[b] + r, :] = x[b, r, :]
#include "reference/elements.h"
#include "reference/operations.h"

namespace qavit::reference {

void append_rows(const AppendRowsParams& p) {
  const auto* position = p.position.row<const int32_t>(0, 0);
  for (int64_t b = 0; b < p.x.batch; ++b) {
    for (int64_t r = 0; r < p.x.rows; ++r) {
      for (int64_t c = 0; c < p.x.cols; ++c) store(p.cache, b, position[b] + r, c, load(p.x, b, r, c));
    }
  }
}

}  // namespace qavit::reference
