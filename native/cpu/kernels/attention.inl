// softmax([q Kq^T ; q Kv^T] * scale) [Vq ; Vv] for one head, exact and in two passes: a tile of query rows first meets
// all keys, which leaves its scores in scratch (14 rows x 640 keys = 36 KB, level 1 to 2), then the softmax is taken
// row by row, then all values are met. The two segments stay where they were packed; the concatenation exists as two
// loops over pointers. A segment without keys takes no part at all, so an empty question gives the same bits as no
// question.
//
// Why not the one-pass form that rescales its sums: it exists to avoid a score matrix in memory, and here a tile's
// scores never leave the cache, while rescaling would cost a multiplication per output element and key panel.
// 16 heads of 577 x 609 x 64 take 15.2 ms in f32 and 8.2 ms in bf16 on one Zen 4 thread (80% and 74% of the
// register-only peak). Of the bf16 time the multiplications take 69%, the exponentials and what surrounds the scores
// 22%, packing keys, values and queries 9%, which is mostly waiting for their rows (docs/kernels/cpu.md).
//
// Keys are padded to whole vectors with zeros; their scores are overwritten with -inf, so their weights are exactly 0
// against values that are 0. A row whose scores contain NaN or +inf, or are all -inf, becomes NaN, as the formula has
// it.

QAVIT_INLINE int64_t padded_keys(int64_t count) { return (count + kWidth - 1) / kWidth * kWidth; }

// Columns in the panel that starts at `begin` of `count`: a remainder that fits one vector is packed as one.
QAVIT_INLINE int panel_width(int64_t begin, int64_t count) { return count - begin <= kWidth ? kWidth : kColumns; }

// Asks for rows that are packed next: they lie a row of q, k and v apart, which no hardware prefetcher follows.
QAVIT_INLINE void prefetch_rows(const HeadRows& rows, int64_t head_width, int64_t begin, int64_t end) {
  const int64_t size = static_cast<int64_t>(dtype_size(rows.dtype));
  if (end > rows.count) end = rows.count;
  for (int64_t row = begin; row < end; ++row) {
    prefetch_line(static_cast<const char*>(rows.data) + row * rows.stride * size,
                  static_cast<size_t>(head_width * size));
  }
}

template <typename Product, typename Source>
QAVIT_NOINLINE void pack_keys_as(const HeadRows& keys, int64_t head_width, float* out) {
  const int64_t units = units_of<Product>(head_width);
  prefetch_rows(keys, head_width, 0, kColumns);
  for (int64_t begin = 0; begin < keys.count; begin += kColumns) {
    const int width = panel_width(begin, keys.count);
    prefetch_rows(keys, head_width, begin + kColumns, begin + 2 * kColumns);
    for (int column = 0; column < width; column += kWidth) {
      const int valid = at_most(keys.count - begin - column, kWidth);
      PlainRows<Source> rows;
      for (int i = 0; i < valid; ++i)
        rows.row[i] = static_cast<const Source*>(keys.data) + (begin + column + i) * keys.stride;
      pack_transposed<Product, Source>(rows, valid, kWidth, head_width, out + column, width);
    }
    out += units * width;
  }
}

// Panels of head columns; a unit of the inner dimension is one key, or two where products are bf16 pairs.
template <typename Product, typename Source>
QAVIT_NOINLINE void pack_values_as(const HeadRows& values, int64_t head_width, float* out) {
  const int64_t keys = padded_keys(values.count);
  const int64_t units = keys / Product::kPerUnit;
  for (int64_t begin = 0; begin < head_width; begin += kColumns) {
    const int width = panel_width(begin, head_width);
    for (int64_t u = 0; u < units; ++u) {
      for (int column = 0; column < width; column += kWidth) {
        const int n = at_most(head_width - begin - column, kWidth);
        F part[Product::kPerUnit];
        for (int p = 0; p < Product::kPerUnit; ++p) {
          const int64_t key = u * Product::kPerUnit + p;
          const Source* row = static_cast<const Source*>(values.data) + key * values.stride + begin + column;
          part[p] = key < values.count ? load_n(row, n) : zero();
        }
        if constexpr (Product::kPerUnit == 2) {
          store(out + column, Product::interleave(part[0], part[1]));
        } else {
          store(out + column, part[0]);
        }
      }
      out += width;
    }
  }
}

#if QAVIT_BF16_PAIRS
using AttentionBf16 = Bf16Product;
#else
using AttentionBf16 = F32Product;  // bf16 inputs are widened while they are packed
#endif

void pack_keys(const HeadRows& keys, int64_t head_width, DType product, float* out) {
  if (product == DType::kBF16) return pack_keys_as<AttentionBf16, uint16_t>(keys, head_width, out);
  keys.dtype == DType::kBF16 ? pack_keys_as<F32Product, uint16_t>(keys, head_width, out)
                             : pack_keys_as<F32Product, float>(keys, head_width, out);
}

void pack_values(const HeadRows& values, int64_t head_width, DType product, float* out) {
  if (product == DType::kBF16) return pack_values_as<AttentionBf16, uint16_t>(values, head_width, out);
  values.dtype == DType::kBF16 ? pack_values_as<F32Product, uint16_t>(values, head_width, out)
                               : pack_values_as<F32Product, float>(values, head_width, out);
}

// One panel of scores for `rows` queries: scaled, padding set to -inf, and the running maximum of each row kept.
template <typename Product, int rows, int vectors>
QAVIT_INLINE void score_panel(int64_t units, const float* queries, const float* keys, int64_t valid, F scale,
                              float* scores, int64_t stride, F* top) {
  F c[rows][vectors];
  QAVIT_UNROLL
  for (int i = 0; i < rows; ++i) {
    QAVIT_UNROLL
    for (int v = 0; v < vectors; ++v) c[i][v] = zero();
  }
  multiply<Product, rows, vectors>(units, queries, 1, rows, keys, c);
  const F nothing = set1(-kInfinity);
  QAVIT_UNROLL
  for (int i = 0; i < rows; ++i) {
    QAVIT_UNROLL
    for (int v = 0; v < vectors; ++v) {
      F s = mul(c[i][v], scale);
      if (valid < (v + 1) * kWidth) s = keep_first(s, static_cast<int>(valid - v * kWidth), nothing);
      store(scores + i * stride + v * kWidth, s);
      top[i] = max(top[i], s);
    }
  }
}

template <typename Product, int rows>
QAVIT_INLINE void score_tile(const AttentionBlock& a, const float* queries, F* top) {
  const int64_t units = units_of<Product>(a.width);
  const F scale = set1(a.scale * kLog2e);  // powers of two are cheaper than powers of e
  for (int i = 0; i < rows; ++i) top[i] = set1(-kInfinity);
  float* scores = a.scores;
  for (const AttentionBlock::Segment& segment : a.segments) {
    const float* keys = segment.keys;
    for (int64_t begin = 0; begin < segment.count; begin += kColumns) {
      const int width = panel_width(begin, segment.count);
      if (width == kColumns) {
        score_panel<Product, rows, 2>(units, queries, keys, segment.count - begin, scale, scores, a.score_stride, top);
      } else {
        score_panel<Product, rows, 1>(units, queries, keys, segment.count - begin, scale, scores, a.score_stride, top);
      }
      keys += units * width;
      scores += width;
    }
  }
}

// The bias of each row and key, added to the scores of a tile; `highest` gets the maxima. A pass of its own: it costs a
// third of what the exponentials do.
template <int rows>
QAVIT_NOINLINE void add_bias(const AttentionBlock& a, int64_t row, float* highest) {
  const F nothing = set1(-kInfinity), hidden = set1(-3e38f);
  const int64_t keys = padded_keys(a.segments[1].count);
  for (int i = 0; i < rows; ++i) {
    float* scores = a.scores + i * a.score_stride;
    const float* bias = a.bias - (row + i);
    F top = nothing;
    for (int64_t j = 0; j < keys; j += kWidth) {
      const F b = load(bias + j);
      // Not by addition: the score of a hidden key may be infinite or NaN.
      const F s = select(less(b, hidden), nothing, add(load(scores + j), b));
      store(scores + j, s);
      top = max(top, s);
    }
    highest[i] = largest(top);
  }
}

template <bool narrow, typename V>
QAVIT_INLINE void store_weights(float* row, int64_t j, const V& weights) {
  if constexpr (narrow) {
    store(reinterpret_cast<uint16_t*>(row) + j, weights);
  } else {
    store(row + j, weights);
  }
}

// Scores (in units of ln 2) to weights 2^(s - max), in place (as bf16 from the row's start where `narrow`). Returns 1 /
// their sum.
template <bool narrow>
QAVIT_INLINE float weigh_row(float* row, int64_t keys, float top) {
  const F highest = set1(top);
  F total = zero();
  int64_t j = 0;
  for (; j + kInStep * kWidth <= keys; j += kInStep * kWidth) {
    const Fs weights = exp2<narrow>(sub(load_in_step(row + j), highest));
    QAVIT_UNROLL
    for (int i = 0; i < kInStep; ++i) total = add(total, weights.v[i]);
    store_weights<narrow>(row, j, weights);
  }
  for (; j < keys; j += kWidth) {
    const F weight = exp2<narrow>(sub(load(row + j), highest));
    total = add(total, weight);
    store_weights<narrow>(row, j, weight);
  }
  return 1.0f / sum(total);
}

// `vectors` columns of the output for `rows` queries.
template <typename Product, int rows, int vectors>
QAVIT_INLINE void mix_panel(const AttentionBlock& a, int64_t column, const float* const (&panels)[2],
                            const float* inverse, int64_t row) {
  F c[rows][vectors];
  QAVIT_UNROLL
  for (int i = 0; i < rows; ++i) {
    QAVIT_UNROLL
    for (int v = 0; v < vectors; ++v) c[i][v] = zero();
  }
  const float* weights = a.scores;
  for (int s = 0; s < 2; ++s) {
    const int64_t units = padded_keys(a.segments[s].count) / Product::kPerUnit;
    multiply<Product, rows, vectors>(units, weights, a.score_stride, 1, panels[s], c);
    weights += units;
  }
  const int64_t size = static_cast<int64_t>(dtype_size(a.out_dtype));
  QAVIT_UNROLL
  for (int i = 0; i < rows; ++i) {
    char* out = static_cast<char*>(a.out) + ((row + i) * a.out_stride + column) * size;
    QAVIT_UNROLL
    for (int v = 0; v < vectors; ++v) {
      const int64_t left = a.width - column - v * kWidth;
      store_as(out + v * kWidth * size, a.out_dtype, mul(c[i][v], set1(inverse[i])), at_most(left, kWidth));
    }
  }
}

template <typename Product, int rows>
QAVIT_NOINLINE void pack_queries(const AttentionBlock& a, int64_t row, float* out) {
  const RowSpan span{const_cast<void*>(a.queries.data), a.queries.dtype, a.queries.count, 0, a.queries.stride};
  const RowTile tile{span, row, rows, 0, a.width, DType::kF32, out};
  if (a.queries.dtype == DType::kBF16) {
    pack_rows_as<Product, uint16_t>(tile);
  } else if constexpr (Product::kPerUnit == 1) {
    pack_rows_as<Product, float>(tile);
  }
}

// Two copies of each tile: with the bias behind a branch, attention without one took 4% longer in bf16.
template <typename Product, int rows, bool biased>
QAVIT_NOINLINE void attend_tile(const AttentionBlock& a, int64_t row) {
  alignas(64) float queries[rows * kMaxHeadWidth];
  F top[rows];
  float inverse[rows];
  pack_queries<Product, rows>(a, row, queries);
  prefetch_rows(a.queries, a.width, row + rows, row + 2 * rows);
  score_tile<Product, rows>(a, queries, top);
  [[maybe_unused]] float highest[rows];
  if constexpr (biased) add_bias<rows>(a, row, highest);
  const int64_t keys = padded_keys(a.segments[0].count) + padded_keys(a.segments[1].count);
  for (int i = 0; i < rows; ++i) {
    const float most = biased ? highest[i] : largest(top[i]);
    inverse[i] = weigh_row<Product::kPerUnit == 2>(a.scores + i * a.score_stride, keys, most);
  }
  const float* panels[2] = {a.segments[0].values, a.segments[1].values};
  for (int64_t column = 0; column < a.width; column += kColumns) {
    const int width = panel_width(column, a.width);
    if (width == kColumns) {
      mix_panel<Product, rows, 2>(a, column, panels, inverse, row);
    } else {
      mix_panel<Product, rows, 1>(a, column, panels, inverse, row);
    }
    for (int s = 0; s < 2; ++s) panels[s] += padded_keys(a.segments[s].count) / Product::kPerUnit * width;
  }
}

using AttendTile = void (*)(const AttentionBlock&, int64_t row);

template <typename Product, bool biased, typename Below>
struct AttentionKernels;
template <typename Product, bool biased, int... below>
struct AttentionKernels<Product, biased, std::integer_sequence<int, below...>> {
  static constexpr AttendTile kByHeight[] = {attend_tile<Product, below + 1, biased>...};
};

template <typename Product, bool biased>
QAVIT_INLINE void attend_tiles(const AttentionBlock& a) {
  const Tiling tiling{a.queries.count, (a.queries.count + kTileRows - 1) / kTileRows};
  for (int64_t t = 0; t < tiling.tiles; ++t) {
    AttentionKernels<Product, biased, Heights>::kByHeight[tiling.height(t) - 1](a, tiling.begin(t));
  }
}

template <typename Product>
QAVIT_INLINE void attend_as(const AttentionBlock& a) {
  a.bias != nullptr ? attend_tiles<Product, true>(a) : attend_tiles<Product, false>(a);
}

void attend(const AttentionBlock& a) {
  a.dtype == DType::kBF16 ? attend_as<AttentionBf16>(a) : attend_as<F32Product>(a);
}

// One query at a time: this operation draws pictures of attention, it is not part of a forward pass.
template <typename Product>
QAVIT_INLINE void question_weights_as(const AttentionBlock& a, float weight) {
  alignas(64) float query[kMaxHeadWidth];
  const int64_t keys = padded_keys(a.segments[0].count) + padded_keys(a.segments[1].count);
  for (int64_t row = 0; row < a.queries.count; ++row) {
    F top[1];
    pack_queries<Product, 1>(a, row, query);
    score_tile<Product, 1>(a, query, top);
    const F share = set1(weight * weigh_row<false>(a.scores, keys, largest(top[0])));
    float* out = static_cast<float*>(a.out) + row * a.out_stride;
    for (int64_t j = 0; j < a.segments[0].count; j += kWidth) {
      const int n = at_most(a.segments[0].count - j, kWidth);
      store_n(out + j, fma(load(a.scores + j), share, load_n(out + j, n)), n);
    }
  }
}

void question_weights(const AttentionBlock& a, float weight) {
  a.dtype == DType::kBF16 ? question_weights_as<AttentionBf16>(a, weight) : question_weights_as<F32Product>(a, weight);
}
