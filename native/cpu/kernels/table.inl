// Includes the vectors named by QAVIT_SIMD and the kernels written in them: the kernels of one instruction set, and the
// table of their addresses.

// Each file uses the ones before it, so they are not sorted.
// clang-format off
#include QAVIT_SIMD
#include "cpu/simd/in_step.inl"
#include "cpu/kernels/vector_math.inl"
#include "cpu/kernels/pack.inl"
#include "cpu/kernels/gemm.inl"
#include "cpu/kernels/int8.inl"
#include "cpu/kernels/int8_weight.inl"
#include "cpu/kernels/by_dtype.inl"
#include "cpu/kernels/attention.inl"
#include "cpu/kernels/attention_row.inl"
#include "cpu/kernels/layer_norm.inl"
#include "cpu/kernels/gated_activation.inl"
#include "cpu/kernels/mean_rows.inl"
#include "cpu/kernels/convert.inl"
#include "cpu/kernels/rotary_embed.inl"
// clang-format on

constexpr KernelTable kTable = {
    .rows = kTileRows,
    .task_rows = kTaskRows,
    .columns = kColumns,
    .width = kWidth,
    .bf16_per_unit = Bf16Product::kPerUnit,
    .bf16_unit_bytes = sizeof(Bf16Product::Element),
    .bf16_attention = Bf16Product::kPerUnit == 2,
    .int8_row_words = Int8Product::kRowWords,
    .pack_weight = pack_weight,
    .pack_rows = pack_rows,
    .pack_patches = pack_patches,
    .gemm_block = gemm_block,
    .pack_keys = pack_keys,
    .pack_values = pack_values,
    .attend = attend,
    .attend_row = attend_row,
    .question_weights = question_weights,
    .layer_norm = layer_norm,
    .rms_norm = rms_norm,
    .gated_activation = gated_activation,
    .mean_rows = mean_rows,
    .rotary_embed = rotary_embed,
    .multiply_registers = multiply_registers,
    .convert = convert,
};
