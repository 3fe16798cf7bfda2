#include "cpu/attention_tasks.h"
#include "cpu/operations.h"

namespace qavit::cpu {

Status run(Context& context, const ConcatAttentionParams& p) {
  AttentionTasks tasks(context,
                       {p.q, p.k, p.v, p.question_k, p.question_v, p.question_lengths, p.heads, p.scale, {}, nullptr});
  return tasks.attend(p.out, "concat_attention");
}

}  // namespace qavit::cpu
