// The matrix product behind linear, gated_projection and patch_embed: splits it into tasks for the threads.
#pragma once

#include "core/ops.h"
#include "cpu/context.h"
#include "cpu/packed_weight.h"

namespace qavit::cpu {

// y = residual + alpha * activation(x W^T + bias [+ gate (x Wg^T + gate_bias)]), row by row.
struct Gemm {
  int64_t rows = 0;   // all batch entries together
  RowSpan x;          // absent where `patches` is given
  PatchTile patches;  // geometry of the images; `pixels` absent where x is given
  const PackedWeight* weight = nullptr;
  const PackedWeight* gate_weight = nullptr;
  const float* bias = nullptr;
  const float* gate_bias = nullptr;
  float gate = 0.0f;
  Activation activation = Activation::kNone;
  float alpha = 1.0f;
  RowSpan residual;
  RowSpan y;
};

Status run_gemm(Context& context, const Gemm& gemm, const char* where);

}  // namespace qavit::cpu
