// for_each_view and for_each_weight: the one list of each operation's operands, with names and direction. Validation,
// binding, liveness and the addon all walk it, so an operand cannot be forgotten in one of them.
#pragma once

#include "core/ops.h"

namespace qavit {

enum class Access : uint8_t {
  kRead,
  kWrite,
  kUpdate,  // some rows of a state are written, the others stay
};

// f(View&, const char* name, Access, bool required)
template <typename F>
void for_each_view(PatchEmbedParams& p, F&& f) {
  f(p.pixels, "pixels", Access::kRead, true);
  f(p.out, "out", Access::kWrite, true);
}
template <typename F>
void for_each_view(LayerNormParams& p, F&& f) {
  f(p.x, "x", Access::kRead, true);
  f(p.y, "y", Access::kWrite, true);
}
template <typename F>
void for_each_view(RmsNormParams& p, F&& f) {
  f(p.x, "x", Access::kRead, true);
  f(p.y, "y", Access::kWrite, true);
}
template <typename F>
void for_each_view(LinearParams& p, F&& f) {
  f(p.x, "x", Access::kRead, true);
  f(p.residual, "residual", Access::kRead, false);
  f(p.y, "y", Access::kWrite, true);
}
template <typename F>
void for_each_view(ConcatAttentionParams& p, F&& f) {
  f(p.q, "q", Access::kRead, true);
  f(p.k, "k", Access::kRead, true);
  f(p.v, "v", Access::kRead, true);
  f(p.question_k, "question_k", Access::kRead, false);
  f(p.question_v, "question_v", Access::kRead, false);
  f(p.question_lengths, "question_lengths", Access::kRead, false);
  f(p.out, "out", Access::kWrite, true);
}
template <typename F>
void for_each_view(AttentionParams& p, F&& f) {
  f(p.q, "q", Access::kRead, true);
  f(p.k, "k", Access::kRead, true);
  f(p.v, "v", Access::kRead, true);
  f(p.lengths, "lengths", Access::kRead, false);
  f(p.out, "out", Access::kWrite, true);
}
template <typename F>
void for_each_view(RotaryEmbedParams& p, F&& f) {
  f(p.x, "x", Access::kRead, true);
  f(p.y, "y", Access::kWrite, true);
}
template <typename F>
void for_each_view(QuestionAttentionParams& p, F&& f) {
  f(p.q, "q", Access::kRead, true);
  f(p.k, "k", Access::kRead, true);
  f(p.question_k, "question_k", Access::kRead, true);
  f(p.question_lengths, "question_lengths", Access::kRead, false);
  f(p.out, "out", Access::kWrite, true);
}
template <typename F>
void for_each_view(GatedProjectionParams& p, F&& f) {
  f(p.x, "x", Access::kRead, true);
  f(p.residual, "residual", Access::kRead, false);
  f(p.y, "y", Access::kWrite, true);
}
template <typename F>
void for_each_view(GatedActivationParams& p, F&& f) {
  f(p.x, "x", Access::kRead, true);
  f(p.y, "y", Access::kWrite, true);
}
template <typename F>
void for_each_view(MeanRowsParams& p, F&& f) {
  f(p.x, "x", Access::kRead, true);
  f(p.y, "y", Access::kWrite, true);
}
template <typename F>
void for_each_view(GatherRowsParams& p, F&& f) {
  f(p.source, "source", Access::kRead, false);
  f(p.index, "index", Access::kRead, true);
  f(p.out, "out", Access::kWrite, true);
}
template <typename F>
void for_each_view(AppendRowsParams& p, F&& f) {
  f(p.x, "x", Access::kRead, true);
  f(p.position, "position", Access::kRead, true);
  f(p.cache, "cache", Access::kUpdate, true);
}
template <typename F>
void for_each_view(CopyParams& p, F&& f) {
  f(p.x, "x", Access::kRead, true);
  f(p.y, "y", Access::kWrite, true);
}

// f(const Weight*&, const char* name, WeightRole, bool required)
template <typename F>
void for_each_weight(PatchEmbedParams& p, F&& f) {
  f(p.weight, "weight", WeightRole::kMatrix, true);
  f(p.table, "table", WeightRole::kTable, true);
}
template <typename F>
void for_each_weight(LayerNormParams& p, F&& f) {
  f(p.gamma, "gamma", WeightRole::kVector, false);
  f(p.beta, "beta", WeightRole::kVector, false);
}
template <typename F>
void for_each_weight(RmsNormParams& p, F&& f) {
  f(p.gamma, "gamma", WeightRole::kVector, false);
}
template <typename F>
void for_each_weight(LinearParams& p, F&& f) {
  f(p.weight, "weight", WeightRole::kMatrix, true);
  f(p.bias, "bias", WeightRole::kVector, false);
}
template <typename F>
void for_each_weight(GatedProjectionParams& p, F&& f) {
  f(p.weight, "weight", WeightRole::kMatrix, true);
  f(p.bias, "bias", WeightRole::kVector, false);
  f(p.gate_weight, "gate_weight", WeightRole::kMatrix, false);
  f(p.gate_bias, "gate_bias", WeightRole::kVector, false);
}
template <typename F>
void for_each_weight(GatherRowsParams& p, F&& f) {
  f(p.table, "table", WeightRole::kTable, false);
}
template <typename F>
void for_each_weight(AttentionParams& p, F&& f) {
  f(p.bias, "bias", WeightRole::kTable, false);
}
template <typename F>
void for_each_weight(RotaryEmbedParams& p, F&& f) {
  f(p.table, "table", WeightRole::kTable, true);
}
template <typename F>
void for_each_weight(ConcatAttentionParams&, F&&) {}
template <typename F>
void for_each_weight(QuestionAttentionParams&, F&&) {}
template <typename F>
void for_each_weight(GatedActivationParams&, F&&) {}
template <typename F>
void for_each_weight(MeanRowsParams&, F&&) {}
template <typename F>
void for_each_weight(AppendRowsParams&, F&&) {}
template <typename F>
void for_each_weight(CopyParams&, F&&) {}

// f(attribute&, const char* name), attribute one of int64_t, float, bool, Activation
template <typename F>
void for_each_attribute(PatchEmbedParams& p, F&& f) {
  f(p.patch, "patch");
  f(p.has_class, "has_class");
}
template <typename F>
void for_each_attribute(LayerNormParams& p, F&& f) {
  f(p.eps, "eps");
}
template <typename F>
void for_each_attribute(RmsNormParams& p, F&& f) {
  f(p.eps, "eps");
}
template <typename F>
void for_each_attribute(LinearParams& p, F&& f) {
  f(p.activation, "activation");
  f(p.alpha, "alpha");
}
template <typename F>
void for_each_attribute(ConcatAttentionParams& p, F&& f) {
  f(p.heads, "heads");
  f(p.scale, "scale");
}
template <typename F>
void for_each_attribute(AttentionParams& p, F&& f) {
  f(p.heads, "heads");
  f(p.scale, "scale");
  f(p.causal, "causal");
}
template <typename F>
void for_each_attribute(QuestionAttentionParams& p, F&& f) {
  f(p.heads, "heads");
  f(p.scale, "scale");
}
template <typename F>
void for_each_attribute(GatedProjectionParams& p, F&& f) {
  f(p.gate, "gate");
}
template <typename F>
void for_each_attribute(GatedActivationParams& p, F&& f) {
  f(p.activation, "activation");
}
template <typename F>
void for_each_attribute(MeanRowsParams&, F&&) {}
template <typename F>
void for_each_attribute(RotaryEmbedParams&, F&&) {}
template <typename F>
void for_each_attribute(GatherRowsParams&, F&&) {}
template <typename F>
void for_each_attribute(AppendRowsParams&, F&&) {}
template <typename F>
void for_each_attribute(CopyParams&, F&&) {}

// The same walks over params that must not change.
template <typename Params, typename F>
void for_each_view(const Params& params, F&& f) {
  for_each_view(const_cast<Params&>(params), [&](const View& view, const char* name, Access access, bool required) {
    f(view, name, access, required);
  });
}
template <typename Params, typename F>
void for_each_weight(const Params& params, F&& f) {
  for_each_weight(const_cast<Params&>(params), [&](const Weight* weight, const char* name, WeightRole role,
                                                   bool required) { f(weight, name, role, required); });
}

}  // namespace qavit
