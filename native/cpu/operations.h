// The operations of core/ops.h on the CPU: each has a file of its name (layer_norm and rms_norm share one; gather_rows,
// append_rows and copy share rows.cpp). Params passed validate() and supports(); views have their data.
#pragma once

#include "core/ops.h"
#include "core/status.h"
#include "cpu/context.h"

namespace qavit::cpu {

Status run(Context& context, const PatchEmbedParams& params);
Status run(Context& context, const LayerNormParams& params);
Status run(Context& context, const RmsNormParams& params);
Status run(Context& context, const LinearParams& params);
Status run(Context& context, const ConcatAttentionParams& params);
Status run(Context& context, const AttentionParams& params);
Status run(Context& context, const RotaryEmbedParams& params);
Status run(Context& context, const QuestionAttentionParams& params);
Status run(Context& context, const GatedProjectionParams& params);
Status run(Context& context, const GatedActivationParams& params);
Status run(Context& context, const MeanRowsParams& params);
Status run(Context& context, const GatherRowsParams& params);
Status run(Context& context, const AppendRowsParams& params);
Status run(Context& context, const CopyParams& params);

}  // namespace qavit::cpu
