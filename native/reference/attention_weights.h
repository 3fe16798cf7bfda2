// The softmax that concat_attention and question_attention share.
#pragma once

#include <vector>

#include "core/view.h"

namespace qavit::reference {

// Question keys that count for batch entry b.
int64_t question_length(const View& question_k, const View& question_lengths, int64_t b);

// softmax over [question keys ; visual keys] of scale * q . key for query row m of head h: `question` weights, then
// k.rows more.
std::vector<double> attention_weights(const View& q, const View& k, const View& question_k, int64_t question,
                                      int64_t heads, double scale, int64_t b, int64_t h, int64_t m);

}  // namespace qavit::reference
