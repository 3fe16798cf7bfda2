// Question columns of the attention weights, averaged over heads. Heads are taken one after the other so that their sum
// has one order; the query rows of a head are what the threads share. Costs each thread the packing of every head,
// which a picture of attention can afford.
#include <algorithm>

#include "cpu/attention_tasks.h"
#include "cpu/operations.h"

namespace qavit::cpu {

Status run(Context& context, const QuestionAttentionParams& p) {
  AttentionTasks tasks(context,
                       {p.q, p.k, View{}, p.question_k, View{}, p.question_lengths, p.heads, p.scale, {}, nullptr});
  QAVIT_RETURN_IF_ERROR(tasks.prepare("question_attention"));
  const RowSpan out = span_of(p.out);
  const int64_t blocks = std::min<int64_t>(context.pool.size(), p.q.rows);
  const float weight = 1.0f / static_cast<float>(p.heads);
  context.pool.parallel_for(p.q.batch * blocks, [&](int64_t index, int thread) {
    const int64_t batch = index / blocks, first = p.q.rows * (index % blocks) / blocks;
    const int64_t rows = p.q.rows * (index % blocks + 1) / blocks - first;
    for (int64_t row = first; row < first + rows; ++row) {
      float* cells = static_cast<float*>(static_cast<void*>(out.at(batch * p.q.rows + row, 0)));
      std::fill_n(cells, p.out.cols, 0.0f);
    }
    for (int64_t head = 0; head < p.heads; ++head) {
      AttentionBlock block = tasks.block_of({batch, head, first, rows}, thread);
      if (block.segments[0].count == 0) continue;
      block.out = out.at(batch * p.q.rows + first, 0);
      block.out_stride = p.out.row_stride;
      context.kernels.question_weights(block, weight);
    }
  });
  return Status();
}

}  // namespace qavit::cpu
