// out[b, m, j] = mean over heads of softmax([q question_k^T ; q k^T] scale)[b, h, m, j] for the question keys j; 0 past
// a length.
#include "reference/attention_weights.h"
#include "reference/elements.h"
#include "reference/operations.h"

namespace qavit::reference {

void question_attention(const QuestionAttentionParams& p) {
  for (int64_t b = 0; b < p.q.batch; ++b) {
    const int64_t question = question_length(p.question_k, p.question_lengths, b);
    for (int64_t m = 0; m < p.q.rows; ++m) {
      std::vector<double> mean(static_cast<size_t>(p.question_k.rows), 0);
      for (int64_t h = 0; h < p.heads; ++h) {
        const std::vector<double> w = attention_weights(p.q, p.k, p.question_k, question, p.heads, p.scale, b, h, m);
        for (int64_t j = 0; j < question; ++j) {
          mean[static_cast<size_t>(j)] += w[static_cast<size_t>(j)] / static_cast<double>(p.heads);
        }
      }
      for (int64_t j = 0; j < p.question_k.rows; ++j) store(p.out, b, m, j, mean[static_cast<size_t>(j)]);
    }
  }
}

}  // namespace qavit::reference
