#include "cuda/device/rounding.h"
#include "cuda/question_attention/question_attention.h"
#include "cuda/question_attention/question_attention_kernel.cuh"

namespace qavit::cuda {

namespace {

constexpr const char* kWhere = "question_attention";

}  // namespace

Status supports(const DeviceProperties&, const QuestionAttentionParams& p) {
  return attention_fits(p.q, p.k, p.question_k, p.heads, kWhere);
}

size_t workspace_bytes(const DeviceProperties&, const QuestionAttentionParams&) { return 0; }

Status run(const Launch& context, const QuestionAttentionParams& p) {
  QAVIT_RETURN_IF_ERROR(supports(context.device, p));
  const Attention a = describe(p);
  const int tiles = ceil_div(a.query_rows, kPlainTile);
  return launch(context, kWhere, question_attention_kernel, dim3(static_cast<unsigned>(p.q.batch * tiles)),
                dim3(kPlainThreads), question_attention_shared_bytes(a.width), a, tiles);
}

}  // namespace qavit::cuda
