// KernelTable: what one instruction set's kernels offer, and the PODs they are called with. Kernels are
// single-threaded, allocate nothing and cannot fail; the drivers beside this file (gemm.cpp, concat_attention.cpp, ...)
// split the work and own the memory.
//
// Words used here. A *unit* is what one multiply-add takes from the inner dimension: one element, or two bf16 elements
// in 32 bits. A *panel* is a run of table.columns output columns, packed [units][columns] so that the micro-kernel
// reads it straight through; the last one is padded with zeros. A *tile* is up to table.rows rows of the other operand,
// packed [units][rows of the tile].
//
// In int8 (core/int8.h) a unit is four elements. A panel holds four bytes a unit and column (where the multiplier takes
// pairs of 16 bits: a vector's first pairs, then its second ones, each one load away from sign-extended), then
// [columns] f32 scales and [columns] i32 sums of the bytes. A tile holds levels a + zero in [0, 255], as wide as the
// multiplier takes them: table.int8_row_words 32-bit words a unit and row; then [rows] f32 scales and [rows] i32 zeros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "core/ops.h"
#include "core/view.h"

namespace qavit::cpu {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int kInt8PerUnit = 4;
constexpr int kMaxHeadWidth = 256;  // of attention: query rows lie on a kernel's stack

// An IEEE half as it lies in memory; bf16 is uint16_t.
enum class Half : uint16_t {};

// Rows of a view counted through all batch entries: row r is row r % rows of entry r / rows.
struct RowSpan {
  void* data = nullptr;  // null: absent
  DType dtype = DType::kF32;
  int64_t rows = 1;  // per batch entry
  int64_t batch_stride = 0;
  int64_t row_stride = 0;

  // Element (r, column).
  char* at(int64_t r, int64_t column) const {
    const int64_t element = (r / rows) * batch_stride + (r % rows) * row_stride + column;
    return static_cast<char*>(data) + element * static_cast<int64_t>(dtype_size(dtype));
  }
};

// Element `column` of one row after the other. A division finds the first one alone: one a row takes 1 % of a product.
class RowCursor {
 public:
  RowCursor(const RowSpan& span, int64_t r, int64_t column)
      : at_(span.at(r, column)), left_(span.rows - r % span.rows), rows_(span.rows) {
    const auto size = static_cast<int64_t>(dtype_size(span.dtype));
    row_bytes_ = span.row_stride * size;
    entry_bytes_ = span.batch_stride * size - (span.rows - 1) * row_bytes_;
  }

  // The element; the cursor is at the next row's then.
  char* next() {
    char* const at = at_;
    const bool last = --left_ == 0;
    at_ += last ? entry_bytes_ : row_bytes_;
    if (last) left_ = rows_;
    return at;
  }

 private:
  char* at_;
  int64_t left_;  // rows of this batch entry
  int64_t rows_;
  int64_t row_bytes_;
  int64_t entry_bytes_;  // from an entry's last row to the next one's first
};

inline RowSpan span_of(const View& view) {
  if (!view.present()) return RowSpan{};
  return RowSpan{view.data, view.dtype, view.rows, view.batch_stride, view.row_stride};
}

// `rows` rows cut into tiles of nearly equal height, none higher than the micro-kernel's.
struct Tiling {
  int64_t rows = 0;
  int64_t tiles = 0;

  int64_t begin(int64_t tile) const { return rows * tile / tiles; }
  int height(int64_t tile) const { return static_cast<int>(begin(tile + 1) - begin(tile)); }
};

// One weight panel: rows [first, first + valid) of a dense [out, in] matrix.
struct WeightPanel {
  const void* source = nullptr;  // row `first`
  DType source_dtype = DType::kF32;
  DType dtype = DType::kF32;  // of the product
  int64_t in = 0;
  int valid = 0;
  void* out = nullptr;
};

// One tile of the row operand: rows [first, first + height) of x, columns [column, column + in).
struct RowTile {
  RowSpan x;
  int64_t first = 0;
  int height = 0;
  int64_t column = 0;
  int64_t in = 0;
  DType dtype = DType::kF32;  // of the product
  float* out = nullptr;
};

// The same where the rows are image patches, P * P * 3 bytes each, read from u8 [B, height, width * 3].
struct PatchTile {
  RowSpan pixels;  // rows = image rows; one span row is one line of pixels
  int64_t patches_across = 0;
  int64_t patches_down = 0;
  int64_t patch = 0;  // P
  int64_t first = 0;  // patch index through all images
  int height = 0;
  DType dtype = DType::kF32;
  float* out = nullptr;
};

// y = residual + alpha * activation(x W^T + bias) for tiles [tile_begin, tile_end) and panels [panel_begin, panel_end)
// of one group. With gate_weight: the bracket is x W^T + bias + gate * (x Wg^T + gate_bias).
struct GemmBlock {
  const float* tiles = nullptr;  // packed tile t begins at tiles + tiling.begin(t) * row_floats
  Tiling tiling;
  int64_t tile_begin = 0;
  int64_t tile_end = 0;
  int64_t first_row = 0;  // row of y that tile 0 begins with
  const char* panels = nullptr;
  const char* gate_panels = nullptr;  // null: no second product
  size_t panel_bytes = 0;
  int64_t panel_begin = 0;
  int64_t panel_end = 0;
  int64_t next_panel = -1;  // that whoever multiplies these will most likely begin with next; -1: none
  int64_t units = 0;
  int64_t row_floats = 0;            // a row takes in its tile
  int64_t columns = 0;               // of the group; the last panel may reach past it
  int64_t column_offset = 0;         // of the group in y, residual and bias
  DType dtype = DType::kF32;         // of the product
  const float* bias = nullptr;       // padded to whole vectors; null: zero
  const float* gate_bias = nullptr;  // like bias
  float gate = 0.0f;
  Activation activation = Activation::kNone;
  float alpha = 1.0f;
  RowSpan residual;
  RowSpan y;
};

// Keys or values of one head: `count` rows of `width` columns.
struct HeadRows {
  const void* data = nullptr;
  DType dtype = DType::kF32;
  int64_t stride = 0;  // elements from row to row
  int64_t count = 0;
};

// Softmax attention of query rows over one or two packed segments of keys: the question's, then the picture's.
struct AttentionBlock {
  struct Segment {
    const float* keys = nullptr;    // see pack_keys
    const float* values = nullptr;  // see pack_values
    int64_t count = 0;              // keys; 0 = the segment is absent
  };
  Segment segments[2];
  HeadRows queries;
  int64_t width = 0;  // D
  float scale = 1.0f;
  const float* bias = nullptr;  // bias[j - r] is added to the score of query row r and key j of segment 1, in units of
                                // ln 2; -inf hides the key. Null: zero. With it segment 0 is absent
  DType dtype = DType::kF32;    // of the products: bf16 only where the table says bf16_attention
  float* scores = nullptr;      // scratch: table.rows rows of score_stride floats
  int64_t score_stride = 0;
  void* out = nullptr;
  DType out_dtype = DType::kF32;
  int64_t out_stride = 0;
};

// layer_norm and rms_norm; the latter has no beta.
struct NormRows {
  const RowSpan* x = nullptr;
  const RowSpan* y = nullptr;
  const float* gamma = nullptr;  // null: ones
  const float* beta = nullptr;   // null: zeros
  float eps = 0.0f;
  int64_t width = 0;
  int64_t begin = 0;  // rows
  int64_t end = 0;
};

// y[:, j] = activation(x[:, j]) * x[:, width + j] for rows [begin, end).
struct GatedRows {
  RowSpan x;
  RowSpan y;
  Activation activation = Activation::kNone;
  int64_t width = 0;
  int64_t begin = 0;
  int64_t end = 0;
};

// y[r, :] = mean of rows [r * group, (r + 1) * group) of x for rows [begin, end) of y.
struct MeanRows {
  RowSpan x;  // `group` times as many rows to a batch entry as y: no group reaches into the next one
  RowSpan y;
  int64_t group = 1;
  int64_t width = 0;
  int64_t begin = 0;
  int64_t end = 0;
};

// Heads turned by their row's place: rows [begin, end) of RotaryEmbedParams.
struct RotaryRows {
  RowSpan x;
  RowSpan y;
  const float* table = nullptr;  // [places, head_width]: cosines, then sines
  int64_t places = 0;            // the last so many rows of a batch entry have one
  int64_t head_width = 0;
  int64_t width = 0;  // of a row
  int64_t begin = 0;
  int64_t end = 0;
};

// Softmax attention of one query row of one head over keys and values as they lie in memory.
struct AttentionRow {
  const void* query = nullptr;
  HeadRows keys;
  HeadRows values;    // as many, in the same dtype, which is the query's too
  int64_t width = 0;  // D
  float scale = 1.0f;
  const float* bias = nullptr;  // of each key, in units of ln 2, padded to whole vectors; null: zero
  float* scores = nullptr;      // scratch: the keys, padded to whole vectors
  void* out = nullptr;
  DType out_dtype = DType::kF32;
};

struct KernelTable {
  int rows = 0;                 // highest tile
  int64_t task_rows = 0;        // a task visits about so many for each panel
  int columns = 0;              // of a panel
  int width = 0;                // floats in a vector
  int bf16_per_unit = 1;        // bf16 elements in a unit
  size_t bf16_unit_bytes = 2;   // of one packed column
  bool bf16_attention = false;  // attention multiplies bf16; otherwise it widens to f32
  int int8_row_words = 1;       // 1: bytes; 2: 16 bits; 4: 32 bits

  void (*pack_weight)(const WeightPanel&) = nullptr;
  void (*pack_rows)(const RowTile&) = nullptr;
  void (*pack_patches)(const PatchTile&) = nullptr;
  void (*gemm_block)(const GemmBlock&) = nullptr;

  // Packs keys as panels [units of D][columns] and values as panels of columns of D, [units of keys][columns]. Keys are
  // padded to whole vectors; a last panel of at most `width` keys or columns is packed that narrow.
  void (*pack_keys)(const HeadRows&, int64_t head_width, DType product, float* out) = nullptr;
  void (*pack_values)(const HeadRows&, int64_t head_width, DType product, float* out) = nullptr;
  void (*attend)(const AttentionBlock&) = nullptr;
  void (*attend_row)(const AttentionRow&) = nullptr;
  // Adds weight * softmax probability of each key of segment 0 to out[query][key]; segment values are not read.
  void (*question_weights)(const AttentionBlock&, float weight) = nullptr;

  void (*layer_norm)(const NormRows&) = nullptr;
  void (*rms_norm)(const NormRows&) = nullptr;
  void (*gated_activation)(const GatedRows&) = nullptr;
  void (*mean_rows)(const MeanRows&) = nullptr;
  void (*rotary_embed)(const RotaryRows&) = nullptr;
  // Multiplies and adds in registers only, as often as `rounds` micro-kernel steps of the tallest tile would; what a
  // processor could do if memory were free. Returns a number that depends on all of it.
  float (*multiply_registers)(DType product, int64_t rounds) = nullptr;
  // Copies n elements, f32 and bf16 to either.
  void (*convert)(const void* from, DType from_dtype, void* to, DType to_dtype, int64_t n) = nullptr;
};

}  // namespace qavit::cpu
