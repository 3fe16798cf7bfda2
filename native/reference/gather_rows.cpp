// out[b, r, :] = table[index[b * rows + r], :]   or   out[b, r, :] = source[index[b], r, :]
#include "reference/elements.h"
#include "reference/operations.h"

namespace qavit::reference {

void gather_rows(const GatherRowsParams& p) {
  const auto* index = p.index.row<const int32_t>(0, 0);
  for (int64_t b = 0; b < p.out.batch; ++b) {
    for (int64_t r = 0; r < p.out.rows; ++r) {
      for (int64_t c = 0; c < p.out.cols; ++c) {
        const double value =
            p.table != nullptr ? dense(p.table).row(0, index[b * p.out.rows + r])[c] : load(p.source, index[b], r, c);
        store(p.out, b, r, c, value);
      }
    }
  }
}

}  // namespace qavit::reference
