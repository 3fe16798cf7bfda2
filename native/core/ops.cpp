#include "core/ops.h"

namespace qavit {

namespace {

struct Name {
  const char* operator()(const PatchEmbedParams&) const { return "patch_embed"; }
  const char* operator()(const LayerNormParams&) const { return "layer_norm"; }
  const char* operator()(const RmsNormParams&) const { return "rms_norm"; }
  const char* operator()(const LinearParams&) const { return "linear"; }
  const char* operator()(const ConcatAttentionParams&) const { return "concat_attention"; }
  const char* operator()(const AttentionParams&) const { return "attention"; }
  const char* operator()(const QuestionAttentionParams&) const { return "question_attention"; }
  const char* operator()(const GatedProjectionParams&) const { return "gated_projection"; }
  const char* operator()(const GatedActivationParams&) const { return "gated_activation"; }
  const char* operator()(const GatherRowsParams&) const { return "gather_rows"; }
  const char* operator()(const AppendRowsParams&) const { return "append_rows"; }
  const char* operator()(const CopyParams&) const { return "copy"; }
};

}  // namespace

const char* op_name(const OpParams& params) { return std::visit(Name{}, params); }

}  // namespace qavit
