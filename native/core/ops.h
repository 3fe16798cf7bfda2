// The operations of a forward pass, one params POD each. This is the contract between graph/ (which describes), core/
// (which validates and plans) and the backends (which compute). Symbols: B batch, M visual tokens, K question tokens, C
// width, H heads, D head width. Activations are f32, bf16 or f16 unless said otherwise; accumulation and statistics are
// always f32.
#pragma once

#include <array>
#include <cstdint>
#include <variant>

#include "core/names.h"
#include "core/view.h"
#include "core/weight.h"

namespace qavit {

enum class Activation : uint8_t { kNone, kRelu, kGeluErf, kGeluTanh, kQuickGelu, kSilu, kTanh };

inline constexpr Named<Activation> kActivationNames[] = {{Activation::kNone, "none"},
                                                         {Activation::kRelu, "relu"},
                                                         {Activation::kGeluErf, "gelu_erf"},
                                                         {Activation::kGeluTanh, "gelu_tanh"},
                                                         {Activation::kQuickGelu, "quick_gelu"},
                                                         {Activation::kSilu, "silu"},
                                                         {Activation::kTanh, "tanh"}};

// out[b, has_class + p, :] = W patch(b, p) + table[has_class + p, :];  out[b, 0, :] = table[0, :] if has_class.
// patch(b, p) holds the P*P*3 raw bytes of patch p in (row, column, channel) order; x/255, mean, standard deviation and
// the convolution's bias are folded into W and table (lib/weights/folds.ts), the class token into table row 0.
struct PatchEmbedParams {
  static constexpr const char* kName = "patch_embed";
  View pixels;                     // u8 [B, image height, image width * 3], HWC; cropped to whole patches
  const Weight* weight = nullptr;  // matrix [1, C, P*P*3]
  const Weight* table = nullptr;   // table f32 [M, C]
  int64_t patch = 0;               // P, pixels
  bool has_class = false;          // M = patches + 1
  View out;                        // [B, M, C]
};

// y = (x - mean(x)) / sqrt(var(x) + eps) * gamma + beta over the last dimension (biased variance, two passes).
struct LayerNormParams {
  static constexpr const char* kName = "layer_norm";
  View x;                         // [B, rows, C]
  const Weight* gamma = nullptr;  // vector [C] or null (1)
  const Weight* beta = nullptr;   // vector [C] or null (0)
  float eps = 1e-5f;
  View y;  // [B, rows, C]
};

// y = x / sqrt(mean(x^2) + eps) * gamma over the last dimension: a layer norm that neither centres nor shifts.
struct RmsNormParams {
  static constexpr const char* kName = "rms_norm";
  View x;                         // [B, rows, C]
  const Weight* gamma = nullptr;  // vector [C] or null (1)
  float eps = 1e-6f;
  View y;  // [B, rows, C]
};

// y = residual + alpha * activation(x W^T + bias). With groups > 1, W is block-diagonal: column block g of x meets
// W[g]. A weight in int8 meets rows of x (column blocks of rows, with groups) that are quantised for it: see int8.h.
struct LinearParams {
  static constexpr const char* kName = "linear";
  View x;                          // [B, rows, groups * in]
  const Weight* weight = nullptr;  // matrix [groups, out, in] in x's dtype or int8
  const Weight* bias = nullptr;    // vector [groups * out] or null
  Activation activation = Activation::kNone;
  float alpha = 1.0f;
  View residual;  // [B, rows, groups * out] or absent; may be y itself
  View y;         // [B, rows, groups * out]
};

// softmax([q Kq^T ; q Kv^T] * scale) [Vq ; Vv], per head, without writing the concatenation anywhere. Visual tokens
// ask, question and visual tokens answer; question rows have no query. QA-ViT (arXiv 2402.05472), section 3.1, with the
// slicing done by never computing what would be sliced off. Question keys carry no position, so the order of the two
// segments is irrelevant.
struct ConcatAttentionParams {
  static constexpr const char* kName = "concat_attention";
  View q;                 // [B, M, H*D]
  View k;                 // [B, N, H*D]; N = M in a tower
  View v;                 // [B, N, H*D]
  View question_k;        // [B, K, H*D], batch_stride 0 where one question serves the batch; absent = plain attention
  View question_v;        // like question_k
  View question_lengths;  // i32 [1, 1, B], 0 <= length <= K; absent = all K rows are keys
  int64_t heads = 0;      // H; H*D = q.cols
  float scale = 1.0f;
  View out;  // [B, M, H*D]
};

// softmax(q k^T * scale + bias) v per head, over the first lengths[b] keys: a transformer's own attention, of an
// encoder, over a cache or across. Query row i stands at position i among the keys; with `causal` the queries are the
// last M of the keys that count, row i at lengths[b] - M + i, and no row sees a key behind its own position. The bias
// depends on the distance alone, and is one value beyond R on either side: key j is to row i at position p what column
// clamp(j - p, -R, R) + R says.
struct AttentionParams {
  static constexpr const char* kName = "attention";
  View q;                        // [B, M, H*D]
  View k;                        // [B, N, H*D]
  View v;                        // [B, N, H*D]
  View lengths;                  // i32 [1, 1, B], 1 (causal: M) <= length <= N; absent = all N
  const Weight* bias = nullptr;  // table f32 [H, 2R + 1] or null (0)
  int64_t heads = 0;             // H; H*D = q.cols
  float scale = 1.0f;
  bool causal = false;
  View out;  // [B, M, H*D]
};

// Rotary position embedding (Su et al. 2021, arXiv 2104.09864): in every head of row first + p, i < D/2,
//   y_i = x_i cos(p, i) - x_{i+D/2} sin(p, i),   y_{i+D/2} = x_{i+D/2} cos(p, i) + x_i sin(p, i).
// Rows before `first` = rows - P have no place in the picture (class token, registers) and are copied. D is the table's
// width, so that a row is any number of heads: queries and keys side by side are turned together.
struct RotaryEmbedParams {
  static constexpr const char* kName = "rotary_embed";
  View x;                         // [B, rows, n*D]
  const Weight* table = nullptr;  // table f32 [P, D]: cos(p, 0 ... D/2-1), then sin(p, 0 ... D/2-1)
  View y;                         // [B, rows, n*D]
};

// How much each visual token's attention goes to each question token: the question columns of concat_attention's
// softmax, averaged over heads. For showing, not for the forward pass.
struct QuestionAttentionParams {
  static constexpr const char* kName = "question_attention";
  View q;                 // [B, M, H*D]
  View k;                 // [B, N, H*D]
  View question_k;        // [B, K, H*D]
  View question_lengths;  // i32 [1, 1, B] or absent; columns past a length are 0
  int64_t heads = 0;
  float scale = 1.0f;
  View out;  // f32 [B, M, K]
};

// y = residual + P(x) + gate * P_g(x), P(x) = x W^T + b. gate = tanh(beta). QA-ViT, section 3.2, with the residual
// connection of the block. The folded form (W + gate W_g, b + gate b_g, made at load) has gate_weight = null and costs
// one projection.
struct GatedProjectionParams {
  static constexpr const char* kName = "gated_projection";
  View x;                               // [B, rows, C]
  const Weight* weight = nullptr;       // matrix [1, C, C] in x's dtype or int8: P, or the fold
  const Weight* bias = nullptr;         // vector [C] or null
  const Weight* gate_weight = nullptr;  // matrix [1, C, C], dtype of weight: P_g; null = folded
  const Weight* gate_bias = nullptr;    // vector [C] or null
  float gate = 0.0f;                    // tanh(beta); ignored when folded
  View residual;                        // [B, rows, C] or absent; may be y itself
  View y;                               // [B, rows, C]
};

// out[b, r, :] = source[index[b * rows + r], :]. One of `table` (embedding) and `source` (rows of an activation) is
// given; with `source`, a "row" is one whole batch entry, so that images looked at once can be repeated for several
// questions.
struct GatherRowsParams {
  static constexpr const char* kName = "gather_rows";
  const Weight* table = nullptr;  // table [V, C]; out[b, r, :] = table[index[b * out.rows + r], :]
  View source;                    // [U, rows, C];  out[b] = source[index[b]]
  View index;                     // i32 [1, 1, n]; every entry in range, else ERR_ARGUMENT
  View out;                       // [B, rows, C]
};

// y[:, j] = activation(x[:, j]) * x[:, C + j]: the gate and the value of a gated MLP, as one projection made them.
struct GatedActivationParams {
  static constexpr const char* kName = "gated_activation";
  View x;                                     // [B, rows, 2C]
  Activation activation = Activation::kSilu;  // any
  View y;                                     // [B, rows, C]
};

// y[b, r, :] = mean over i in [0, G) of x[b, r * G + i, :], with as many rows G to a group as y leaves.
struct MeanRowsParams {
  static constexpr const char* kName = "mean_rows";
  View x;  // [B, G * rows, C]
  View y;  // [B, rows, C]
};

// cache[b, position[b] + r, :] = x[b, r, :]; all other rows stay. The one operation that changes a value which outlives
// the plan (ValueKind::kState).
struct AppendRowsParams {
  static constexpr const char* kName = "append_rows";
  View x;         // [B, rows, C]
  View position;  // i32 [1, 1, B], 0 <= position <= N - rows
  View cache;     // [B, N, C], of a state; its dtype may be another
};

// y = x, converting the dtype and dropping strides.
struct CopyParams {
  static constexpr const char* kName = "copy";
  View x;  // [B, rows, C]
  View y;  // [B, rows, C]
};

using OpParams = std::variant<PatchEmbedParams, LayerNormParams, RmsNormParams, LinearParams, ConcatAttentionParams,
                              AttentionParams, RotaryEmbedParams, QuestionAttentionParams, GatedProjectionParams,
                              GatedActivationParams, MeanRowsParams, GatherRowsParams, AppendRowsParams, CopyParams>;

// The name used in every layer and message.
inline const char* op_name(const OpParams& params) {
  return std::visit([](const auto& p) { return p.kName; }, params);
}

}  // namespace qavit
