// out[b, has_class + p, c] = sum_i weight[c, i] patch(b, p)[i] + table[has_class + p, c]
// out[b, 0, c] = table[0, c] if has_class
// Patches row by row over the image; inside a patch (row, column, channel) order. What does not fill a patch is
// cropped.
#include "reference/elements.h"
#include "reference/operations.h"

namespace qavit::reference {

namespace {

// One patch as a vector of raw bytes.
std::vector<double> patch_pixels(const PatchEmbedParams& p, int64_t b, int64_t top, int64_t left) {
  std::vector<double> pixels;
  pixels.reserve(static_cast<size_t>(p.patch * p.patch * 3));
  for (int64_t y = 0; y < p.patch; ++y) {
    for (int64_t x = 0; x < p.patch * 3; ++x) pixels.push_back(load(p.pixels, b, top + y, left * 3 + x));
  }
  return pixels;
}

}  // namespace

void patch_embed(const PatchEmbedParams& p) {
  const DenseWeight& weight = dense(p.weight);
  const DenseWeight& table = dense(p.table);
  const int64_t columns = p.pixels.cols / 3 / p.patch;
  const int64_t first = p.has_class ? 1 : 0;
  for (int64_t b = 0; b < p.out.batch; ++b) {
    for (int64_t c = 0; p.has_class && c < p.out.cols; ++c) store(p.out, b, 0, c, table.row(0, 0)[c]);
    for (int64_t token = first; token < p.out.rows; ++token) {
      const int64_t index = token - first;
      const std::vector<double> pixels = patch_pixels(p, b, index / columns * p.patch, index % columns * p.patch);
      for (int64_t c = 0; c < p.out.cols; ++c) {
        const double sum = dot(weight.row(0, c), pixels.data(), weight.shape[2]);
        store(p.out, b, token, c, sum + table.row(0, token)[c]);
      }
    }
  }
}

}  // namespace qavit::reference
