#include "reference/attention_weights.h"

#include <algorithm>
#include <cmath>

#include "reference/elements.h"

namespace qavit::reference {

int64_t question_length(const View& question_k, const View& question_lengths, int64_t b) {
  if (!question_k.present()) return 0;
  return question_lengths.present() ? question_lengths.row<const int32_t>(0, 0)[b] : question_k.rows;
}

std::vector<double> attention_weights(const View& q, const View& k, const View& question_k, int64_t question,
                                      int64_t heads, double scale, int64_t b, int64_t h, int64_t m) {
  const int64_t width = q.cols / heads;
  const auto score = [&](const View& keys, int64_t key) {
    double sum = 0;
    for (int64_t d = h * width; d < (h + 1) * width; ++d) sum += load(q, b, m, d) * load(keys, b, key, d);
    return sum * scale;
  };
  std::vector<double> weights;
  weights.reserve(static_cast<size_t>(question + k.rows));
  for (int64_t key = 0; key < question; ++key) weights.push_back(score(question_k, key));
  for (int64_t key = 0; key < k.rows; ++key) weights.push_back(score(k, key));

  const double largest = *std::max_element(weights.begin(), weights.end());
  double sum = 0;
  for (double& weight : weights) {
    weight = std::exp(weight - largest);
    sum += weight;
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

}  // namespace qavit::reference
