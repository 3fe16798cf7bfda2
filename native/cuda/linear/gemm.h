// One matrix product and all that follows it, the common form of linear and gated_projection:
//
//   y[m, g out + o] = residual + alpha * activation(  sum_i W[g, o, i] x[m, g in + i] + bias
//                                                   + gate (sum_i Wg[g, o, i] x[m, g in + i] + gate_bias))
//
// gemm.cu chooses the kernel: mma_kernel.cuh for bf16 and f16 weights, fma_kernel.cuh for f32 ones.
#pragma once

#include "cuda/launch.h"
#include "cuda/linear/epilogue.h"
#include "cuda/linear/gemm_plan.h"
#include "cuda/weight.h"

namespace qavit::cuda {

struct Gemm {
  MatrixRows x;              // [B, batch_rows, groups * in]
  uint32_t batch_rows = 1;   // rows of one batch entry, in x
  bool x_in_chunks = false;  // whether x can be copied 16 bytes at a time, as the weights' dtype
  const void* weight = nullptr;
  const void* gate_weight = nullptr;  // null: no second term
  DType dtype = DType::kF32;          // of both weights
  int leading = 0;                    // elements between weight rows: in rounded up to 64, zero there
  int rows = 0;                       // B * batch_rows
  int groups = 1;
  int out = 0;  // columns of one group
  int in = 0;
  Epilogue epilogue;
};

// How blocks share a product out; blockIdx.x counts tiles within groups within splits.
struct GemmGrid {
  int row_tiles = 1;
  int column_tiles = 1;  // of one group
  int split_steps = 1;   // pipeline stages of one split
  // Where split sums go, [splits, groups, rows, out rounded up to 4]; null: they are whole and are finished in place.
  float* partials = nullptr;
};

// What the operands of a product have in common; `weight` and the views have passed validate().
struct GemmOperands {
  View x;
  const Weight* weight = nullptr;
  const Weight* bias = nullptr;
  const Weight* gate_weight = nullptr;
  const Weight* gate_bias = nullptr;
  float gate = 0.0f;
  Activation activation = Activation::kNone;
  float alpha = 1.0f;
  View residual;
  View y;
};

GemmOperands operands_of(const LinearParams& params);

// The product as the kernels take it.
Gemm describe_gemm(const GemmOperands& operands);

// A product whose parts lie in the workspace, [parts, groups, rows, out rounded up to 4], still to be added and
// finished; 1 part: it is finished.
struct SplitSums {
  Gemm gemm;
  int parts = 1;
};

// What is left to do after the kernel that writes the parts: adds them, or leaves them to `split` where that is not
// null.
Status end_split(const Launch& context, const Gemm& gemm, int parts, const char* where, SplitSums* split);

// ERR_UNSUPPORTED where an index would not fit the kernels' 32 bits.
Status gemm_supports(const GemmOperands& operands, const char* where);

// `leave_parts`: the plan is for a caller that adds the parts itself, by a kernel that it starts anyway. `split` gets
// them then; null: they are added here.
size_t gemm_workspace_bytes(const DeviceProperties& device, const GemmOperands& operands, bool leave_parts = false);
Status run_gemm(const Launch& context, const GemmOperands& operands, const char* where, SplitSums* split = nullptr);

}  // namespace qavit::cuda
