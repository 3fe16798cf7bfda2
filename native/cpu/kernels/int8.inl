// Matrix products in int8, as core/int8.h defines them: sums of levels times bytes in 32-bit integers, then the scales.
//
// The micro-kernel is gemm.inl's with a unit of four elements: the same 28 sums in registers, the same two loads and 14
// broadcasts a step. Packed levels are a + zero, which one byte holds; what the zero adds to a sum is zero
// times the sum of the column's bytes, known since the weight was packed, and is taken off in integers. No sum can
// overflow (kMaxInt8Columns), so there is no block of the inner dimension and no order of additions to care about.

constexpr int kInt8PerWord = kInt8PerUnit / Int8Product::kRowWords;

// The range of one row, and from it the scale.
template <typename Source>
QAVIT_INLINE Int8Row measure_row(const Source* x, int64_t n) {
  F low = zero(), high = zero(), poison = zero();
  for (int64_t j = 0; j < n; j += kWidth) {
    const F v = load_n(x + j, at_most(n - j, kWidth));
    low = min(low, v);
    high = max(high, v);
    poison = fma(v, zero(), poison);  // NaN from the first infinity or NaN on
  }
  return int8_row(-largest(sub(zero(), low)), largest(high), sum(poison) == 0.0f);
}

// kWidth packed words of a row, n elements of which are read. A NaN, or an infinity times the inverse 0, becomes level
// 0: max keeps its second operand.
template <typename Source>
QAVIT_INLINE F level_words(const Source* x, int64_t n, const Int8Row& row) {
  F levels[kInt8PerWord];
  for (int i = 0; i < kInt8PerWord; ++i) {
    const int valid = at_most(n - i * kWidth, kWidth);
    const F v = valid > 0 ? load_n(x + i * kWidth, valid) : zero();
    const F level = add(round(mul(v, set1(row.inverse))), set1(row.zero));
    levels[i] = min(max(level, zero()), set1(255.0f));
  }
  return Int8Product::pack(levels);
}

template <typename Source>
QAVIT_NOINLINE void pack_int8_rows_as(const RowTile& t) {
  const int64_t words = (t.in + kInt8PerUnit - 1) / kInt8PerUnit * Int8Product::kRowWords;
  float* scales = t.out + words * t.height;
  for (int first = 0; first < t.height; first += kWidth) {
    const int valid = at_most(t.height - first, kWidth);
    const Source* x[kWidth];
    Int8Row rows[kWidth];
    F v[kWidth];
    for (int i = 0; i < kWidth; ++i) v[i] = zero();
    for (int i = 0; i < valid; ++i) {
      x[i] = static_cast<const Source*>(static_cast<const void*>(t.x.at(t.first + first + i, t.column)));
      rows[i] = measure_row(x[i], t.in);
      scales[first + i] = rows[i].scale;
      const auto zero_level = static_cast<int32_t>(rows[i].zero) - Int8Product::kLevelOffset;
      std::memcpy(scales + t.height + first + i, &zero_level, sizeof zero_level);
    }
    for (int64_t w = 0; w < words; w += kWidth) {
      const int64_t element = w * kInt8PerWord;
      for (int i = 0; i < valid; ++i) v[i] = level_words(x[i] + element, t.in - element, rows[i]);
      store_units(v, valid, words - w, t.out + w * t.height + first, t.height);
    }
  }
}

QAVIT_INLINE void pack_int8_rows(const RowTile& t) {
  t.x.dtype == DType::kBF16 ? pack_int8_rows_as<uint16_t>(t) : pack_int8_rows_as<float>(t);
}

// counts[rows][kColumns] = levels * bytes.
template <int rows, Streaming streaming>
QAVIT_NOINLINE void count_tile(int64_t units, const float* tile, const int8_t* panel, PanelShare later,
                               int32_t* counts) {
  I c[rows][2];
  QAVIT_UNROLL
  for (int i = 0; i < rows; ++i) c[i][0] = c[i][1] = no_counts();
  for (int64_t u = 0; u < units; ++u) {
    prefetch_unit(tile + kUnitsAhead * rows * Int8Product::kRowWords, panel + kUnitsAhead * kInt8PerUnit * kColumns,
                  kInt8PerUnit * kColumns);
    if constexpr (streaming == Streaming::kPanelAfter) later.ask();
    QAVIT_UNROLL
    for (int word = 0; word < Int8Product::kRowWords; ++word) {
      const I left = Int8Product::column(panel, word), right = Int8Product::column(panel + 4 * kWidth, word);
      QAVIT_UNROLL
      for (int i = 0; i < rows; ++i) {
        const auto x = Int8Product::row(tile + i);
        c[i][0] = Int8Product::madd(x, left, c[i][0]);
        c[i][1] = Int8Product::madd(x, right, c[i][1]);
      }
      tile += rows;
    }
    panel += kInt8PerUnit * kColumns;
  }
  QAVIT_UNROLL
  for (int i = 0; i < rows; ++i) {
    store_counts(counts + i * kColumns, c[i][0]);
    store_counts(counts + i * kColumns + kWidth, c[i][1]);
  }
}

using CountTile = void (*)(int64_t units, const float* tile, const int8_t* panel, PanelShare later, int32_t* counts);

// count_tile for each height from 1 up.
template <Streaming streaming, typename Below>
struct CountKernels;
template <Streaming streaming, int... below>
struct CountKernels<streaming, std::integer_sequence<int, below...>> {
  static constexpr CountTile kByHeight[] = {count_tile<below + 1, streaming>...};
};

// sums[rows][kColumns] = tile * panel in int8.
struct Int8Multiply {
  static QAVIT_INLINE void tile(const GemmBlock& g, int height, const float* tile, const char* panel, PanelShare later,
                                float* sums) {
    alignas(64) int32_t counts[kTileRows * kColumns];
    const auto* bytes = static_cast<const int8_t*>(static_cast<const void*>(panel));
    using Operands = CountKernels<Streaming::kOperands, Heights>;
    using PanelAfter = CountKernels<Streaming::kPanelAfter, Heights>;
    const CountTile* by_height = later.at == nullptr ? Operands::kByHeight : PanelAfter::kByHeight;
    by_height[height - 1](g.units, tile, bytes, later, counts);
    const float* scales = tile + (g.row_floats - 2) * height;
    const auto* column_scales = static_cast<const float*>(static_cast<const void*>(bytes + g.units * 4 * kColumns));
    const float* column_sums = column_scales + kColumns;
    for (int i = 0; i < height; ++i) {
      for (int v = 0; v < kColumns; v += kWidth) {
        const I beyond_zero = subtract_product(load_counts(counts + i * kColumns + v),
                                               broadcast_count(scales + height + i), load_counts(column_sums + v));
        store(sums + i * kColumns + v, mul(to_floats(beyond_zero), mul(set1(scales[i]), load(column_scales + v))));
      }
    }
  }
};

QAVIT_NOINLINE float count_registers(int64_t rounds) {
  I c[kTileRows][2];
  QAVIT_UNROLL
  for (int i = 0; i < kTileRows; ++i) c[i][0] = c[i][1] = no_counts();
  // Three operands that differ: what the compiler takes for equal, it computes once.
  const int32_t words[] = {0x01020304, 0x05060708, 0x090a0b0c};
  I x = broadcast_count(words), left = broadcast_count(words + 1), right = broadcast_count(words + 2);
  for (int64_t round = 0; round < rounds; ++round) {
    left = opaque(left);
    right = opaque(right);
    QAVIT_UNROLL
    for (int i = 0; i < kTileRows; ++i) {
      x = opaque(x);
      c[i][0] = Int8Product::madd(x, left, c[i][0]);
      c[i][1] = Int8Product::madd(x, right, c[i][1]);
    }
  }
  // Through memory, as count_tile's: sums added up from the registers would be kept in both all along.
  alignas(64) int32_t counts[kTileRows * kColumns];
  QAVIT_UNROLL
  for (int i = 0; i < kTileRows; ++i) {
    store_counts(counts + i * kColumns, c[i][0]);
    store_counts(counts + i * kColumns + kWidth, c[i][1]);
  }
  F total = zero();
  for (int i = 0; i < kTileRows * kColumns; i += kWidth) total = add(total, to_floats(load_counts(counts + i)));
  return sum(total);
}
