// y_i = x_i cos - x_{i+D/2} sin,  y_{i+D/2} = x_{i+D/2} cos + x_i sin,  in every head of the last P rows
#include "reference/elements.h"
#include "reference/operations.h"

namespace qavit::reference {

void rotary_embed(const RotaryEmbedParams& p) {
  const int64_t places = p.table->shape[1], width = p.table->shape[2], half = width / 2;
  for (int64_t b = 0; b < p.x.batch; ++b) {
    for (int64_t r = 0; r < p.x.rows; ++r) {
      const int64_t place = r - (p.x.rows - places);
      for (int64_t c = 0; c < p.x.cols; ++c) {
        const int64_t d = c % width, i = d % half;
        const double x = load(p.x, b, r, c);
        if (place < 0) {
          store(p.y, b, r, c, x);
          continue;
        }
        const float* angles = dense(p.table).row(0, place);
        const double cosine = angles[i], sine = angles[half + i];
        store(p.y, b, r, c,
              d < half ? x * cosine - load(p.x, b, r, c + half) * sine : x * cosine + load(p.x, b, r, c - half) * sine);
      }
    }
  }
}

}  // namespace qavit::reference
