#include "cpu/attention_tasks.h"
#include "cpu/operations.h"

namespace qavit::cpu {

Status run(Context& context, const ConcatAttentionParams& p) {
  AttentionTasks tasks(context,
                       {p.q, p.k, p.v, p.question_k, p.question_v, p.question_lengths, p.heads, p.scale, {}, nullptr});
  QAVIT_RETURN_IF_ERROR(tasks.prepare("concat_attention"));
  const RowSpan out = span_of(p.out);
  context.pool.parallel_for(p.heads * p.q.batch * tasks.blocks(), [&](int64_t index, int thread) {
    const AttentionTasks::Task task = tasks.task(index);
    AttentionBlock block = tasks.block_of(task, thread);
    block.out = out.at(task.batch * p.q.rows + task.first, task.head * tasks.head_width());
    block.out_dtype = p.out.dtype;
    block.out_stride = p.out.row_stride;
    context.kernels.attend(block);
  });
  return Status();
}

}  // namespace qavit::cpu
