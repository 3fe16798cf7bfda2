// out[b, m, h*D + d] = sum_j w_j [question_v ; v][b, j, h*D + d], w = softmax([q question_k^T ; q k^T] scale)[b, h, m]
// Question rows at and past a sample's length are no keys.
#include "reference/attention_weights.h"
#include "reference/elements.h"
#include "reference/operations.h"

namespace qavit::reference {

void concat_attention(const ConcatAttentionParams& p) {
  const int64_t width = p.q.cols / p.heads;
  for (int64_t b = 0; b < p.q.batch; ++b) {
    const int64_t question = question_length(p.question_k, p.question_lengths, b);
    for (int64_t h = 0; h < p.heads; ++h) {
      for (int64_t m = 0; m < p.q.rows; ++m) {
        const std::vector<double> w = attention_weights(p.q, p.k, p.question_k, question, p.heads, p.scale, b, h, m);
        for (int64_t d = h * width; d < (h + 1) * width; ++d) {
          double sum = 0;
          for (int64_t j = 0; j < question; ++j) sum += w[static_cast<size_t>(j)] * load(p.question_v, b, j, d);
          for (int64_t j = 0; j < p.v.rows; ++j) sum += w[static_cast<size_t>(question + j)] * load(p.v, b, j, d);
          store(p.out, b, m, d, sum);
        }
      }
    }
  }
}

}  // namespace qavit::reference
