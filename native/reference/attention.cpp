// out[b, m, h*D + d] = sum_j w_j v[b, j, h*D + d],  w = softmax over the visible keys j of scale q . k_j + bias(h, j -
// p) p is the position of row m: m itself or, where keys are causal, length - M + m; then keys behind p are not
// visible.
#include <algorithm>
#include <cmath>

#include "reference/elements.h"
#include "reference/operations.h"

namespace qavit::reference {

namespace {

double bias_of(const AttentionParams& p, int64_t head, int64_t distance) {
  if (p.bias == nullptr) return 0;
  const int64_t farthest = p.bias->shape[2] / 2;
  return dense(p.bias).row(0, head)[std::clamp(distance, -farthest, farthest) + farthest];
}

std::vector<double> softmax(std::vector<double> scores) {
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& score : scores) sum += score = std::exp(score - largest);
  for (double& score : scores) score /= sum;
  return scores;
}

}  // namespace

void attention(const AttentionParams& p) {
  const int64_t width = p.q.cols / p.heads;
  for (int64_t b = 0; b < p.q.batch; ++b) {
    const int64_t length = p.lengths.present() ? p.lengths.row<const int32_t>(0, 0)[b] : p.k.rows;
    for (int64_t m = 0; m < p.q.rows; ++m) {
      const int64_t position = p.causal ? length - p.q.rows + m : m;
      const int64_t visible = p.causal ? position + 1 : length;
      for (int64_t h = 0; h < p.heads; ++h) {
        std::vector<double> scores;
        for (int64_t j = 0; j < visible; ++j) {
          double sum = 0;
          for (int64_t d = h * width; d < (h + 1) * width; ++d) sum += load(p.q, b, m, d) * load(p.k, b, j, d);
          scores.push_back(sum * p.scale + bias_of(p, h, j - position));
        }
        const std::vector<double> w = softmax(std::move(scores));
        for (int64_t d = h * width; d < (h + 1) * width; ++d) {
          double sum = 0;
          for (int64_t j = 0; j < visible; ++j) sum += w[static_cast<size_t>(j)] * load(p.v, b, j, d);
          store(p.out, b, m, d, sum);
        }
      }
    }
  }
}

}  // namespace qavit::reference
