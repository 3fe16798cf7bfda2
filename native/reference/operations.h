// The specification of each operation: plain loops with double accumulation, one file each, written for reading.
#pragma once

#include "core/ops.h"

namespace qavit::reference {

double activate(Activation activation, double x);

void patch_embed(const PatchEmbedParams& p);
void layer_norm(const LayerNormParams& p);
void rms_norm(const RmsNormParams& p);
void linear(const LinearParams& p);
void concat_attention(const ConcatAttentionParams& p);
void attention(const AttentionParams& p);
void rotary_embed(const RotaryEmbedParams& p);
void question_attention(const QuestionAttentionParams& p);
void gated_projection(const GatedProjectionParams& p);
void gated_activation(const GatedActivationParams& p);
void mean_rows(const MeanRowsParams& p);
void gather_rows(const GatherRowsParams& p);
void append_rows(const AppendRowsParams& p);
void copy(const CopyParams& p);

}  // namespace qavit::reference
