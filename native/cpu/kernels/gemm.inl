// y = residual + alpha * activation(x W^T + bias), for packed x (tiles) and packed W (panels). The product in int8 is
// in int8.inl; finishing a tile is the same for all.
//
// The micro-kernel keeps a tile of kTileRows x kColumns sums in registers and walks the inner dimension once: per unit
// two column vectors are loaded, one element of each row is broadcast, and each broadcast feeds two multiply-adds. Sums
// leave the registers every kBlockUnits units, which bounds the length of a chain of additions (accuracy) and costs 56
// vector accesses in 28 * 1024 multiply-adds. A finished tile lies in 1.8 KiB of stack, where the epilogue picks it up:
// separating the two costs 0.2% at an inner dimension of 1,024 and keeps one copy of the activations instead of one a
// tile height.
//
// For each panel all tiles are visited, so the panel (128 KiB at 1,024 units) stays in the level-2 cache while tiles
// stream through. The order of additions for an output element depends on nothing but the inner dimension: results are
// the same bits whatever the tile height, the batch position or the number of threads.
//
// Share of the register-only peak, one Zen 4 thread, M = 577 (bench/kernels.ts): f32 1024 -> 3072 95%, 4096 -> 1024
// 92%, with GELU 93%; bf16 93%, 94%, 91%. Blocking the inner dimension outside the tile loop, so that a tile fits level
// 1, was not needed: with 28 multiply-adds a unit, level 2 feeds the loop at a fifth of its bandwidth.

constexpr int64_t kBlockUnits = 1024;

QAVIT_INLINE void prefetch_unit(const float* row_unit, const void* column_unit, size_t column_bytes) {
  for (size_t at = 0; at < column_bytes; at += 64) QAVIT_PREFETCH_NEAR(static_cast<const char*>(column_unit) + at);
  QAVIT_PREFETCH_NEAR(row_unit);
}

// c += one unit of a times one of b. The columns are opaque so that they stay in registers: a compiler that reads them
// from memory in each multiply-add needs half as many loads again as there are in that time (62% of peak with AVX2).
template <typename Product, int rows, int vectors>
QAVIT_INLINE void multiply_unit(const float* a, int64_t a_row, const typename Product::Element* b,
                                F (&c)[rows][vectors]) {
  F column[vectors];
  QAVIT_UNROLL
  for (int v = 0; v < vectors; ++v) column[v] = opaque(Product::column(b + v * kWidth));
  QAVIT_UNROLL
  for (int i = 0; i < rows; ++i) {
    const auto x = Product::row(a + i * a_row);
    QAVIT_UNROLL
    for (int v = 0; v < vectors; ++v) c[i][v] = Product::madd(x, column[v], c[i][v]);
  }
}

// What a tile asks for of the panel that is multiplied next, a line or less a unit.
struct PanelShare {
  const char* at = nullptr;
  int64_t bytes_a_unit = 0;

  QAVIT_INLINE void ask() {
    QAVIT_PREFETCH_READ(at);
    at += bytes_a_unit;
  }
};

// From where the operands of a product come: level 1; further away; further away, and few tiles share a panel, so that
// its first tile would wait for memory.
enum class Streaming { kNone, kOperands, kPanelAfter };

// c += a b over `units`; a's element of (row, unit) is a[row * a_row + unit * a_unit], b is [units][vectors * kWidth].
// `streamed` where neither is in level 1: what lies kUnitsAhead further on is asked for, since the hardware's own
// prefetching begins anew with every page and tile. Asking may reach past the operands' ends, which is harmless.
template <typename Product, int rows, int vectors, Streaming streaming = Streaming::kNone>
QAVIT_INLINE void multiply(int64_t units, const float* a, int64_t a_row, int64_t a_unit,
                           const typename Product::Element* b, F (&c)[rows][vectors], PanelShare later = {}) {
  constexpr bool streamed = streaming != Streaming::kNone;
  constexpr int kStep = streamed ? kUnitsUnrolled : 1;
  int64_t u = 0;
  for (; u + kStep <= units; u += kStep) {
    QAVIT_UNROLL
    for (int k = 0; k < kStep; ++k) {
      if constexpr (streamed) {
        prefetch_unit(a + kUnitsAhead * a_unit, b + kUnitsAhead * vectors * kWidth, vectors * kWidth * sizeof *b);
      }
      if constexpr (streaming == Streaming::kPanelAfter) later.ask();
      multiply_unit<Product>(a, a_row, b, c);
      a += a_unit;
      b += vectors * kWidth;
    }
  }
  for (; u < units; ++u) {
    multiply_unit<Product>(a, a_row, b, c);
    a += a_unit;
    b += vectors * kWidth;
  }
}

// sums[rows][kColumns] = tile * panel.
template <typename Product, int rows, Streaming streaming>
QAVIT_NOINLINE void multiply_tile(int64_t units, const float* tile, const void* panel, PanelShare later, float* sums) {
  const auto* columns = static_cast<const typename Product::Element*>(panel);
  for (int64_t begin = 0; begin < units; begin += kBlockUnits) {
    const int64_t block = units - begin < kBlockUnits ? units - begin : kBlockUnits;
    F c[rows][2];
    QAVIT_UNROLL
    for (int i = 0; i < rows; ++i) c[i][0] = c[i][1] = zero();
    multiply<Product, rows, 2, streaming>(block, tile + begin * rows, 1, rows, columns + begin * kColumns, c,
                                          {later.at + begin * later.bytes_a_unit, later.bytes_a_unit});
    QAVIT_UNROLL
    for (int i = 0; i < rows; ++i) {
      float* out = sums + i * kColumns;
      store(out, begin == 0 ? c[i][0] : add(load(out), c[i][0]));
      store(out + kWidth, begin == 0 ? c[i][1] : add(load(out + kWidth), c[i][1]));
    }
  }
}

using MultiplyTile = void (*)(int64_t units, const float* tile, const void* panel, PanelShare later, float* sums);

// multiply_tile for each height from 1 up.
template <typename Product, Streaming streaming, typename Below>
struct TileKernels;
template <typename Product, Streaming streaming, int... below>
struct TileKernels<Product, streaming, std::integer_sequence<int, below...>> {
  static constexpr MultiplyTile kByHeight[] = {multiply_tile<Product, below + 1, streaming>...};
};
using Heights = std::make_integer_sequence<int, kTileRows>;

QAVIT_INLINE F load_as(const char* p, DType dtype, int n) {
  if (dtype == DType::kBF16) return load_n(static_cast<const uint16_t*>(static_cast<const void*>(p)), n);
  return load_n(static_cast<const float*>(static_cast<const void*>(p)), n);
}
QAVIT_INLINE void store_as(char* p, DType dtype, F x, int n) {
  if (dtype == DType::kBF16) return store_n(static_cast<uint16_t*>(static_cast<void*>(p)), x, n);
  store_n(static_cast<float*>(static_cast<void*>(p)), x, n);
}

QAVIT_INLINE void prefetch_line(const char* p, size_t bytes) {
  for (size_t at = 0; at < bytes; at += 64) QAVIT_PREFETCH(p + at);
}

// sums += bias_g-weighted second product of a gated projection.
QAVIT_NOINLINE void add_gated(const GemmBlock& g, int height, int64_t column, const float* gated, float* sums) {
  for (int i = 0; i < height; ++i) {
    for (int v = 0; v < kColumns; v += kWidth) {
      F x = load(gated + i * kColumns + v);
      if (g.gate_bias != nullptr) x = add(x, load(g.gate_bias + column + v));
      float* out = sums + i * kColumns + v;
      store(out, fma(set1(g.gate), x, load(out)));
    }
  }
}

// sums = activation(sums + bias).
template <Activation activation, bool coarse>
QAVIT_INLINE void activate_sums(const GemmBlock& g, int height, int64_t column, int valid, float* sums) {
  static_assert(kTileRows % 2 == 0 && kInStep * kWidth == 2 * kColumns, "pairs of rows are taken in step");
  Fs bias = zero();
  if (g.bias != nullptr) {
    const float* first = g.bias + g.column_offset + column;
    bias.v[0] = bias.v[2] = load(first);
    if (valid > kWidth) bias.v[1] = bias.v[3] = load(first + kWidth);
  }
  for (int i = 0; i < height; i += 2) {
    float* pair = sums + i * kColumns;
    store(pair, Activate<activation>::template of<coarse>(add(load_in_step(pair), bias)));
  }
}

// y = residual + alpha * (sums + bias) for tiles of kColumns columns, with the types known: the loop over `height` rows
// costs what its loads and stores do.
template <typename Y, typename Residual, bool adds>
QAVIT_INLINE void store_whole_rows(const GemmBlock& g, const F (&bias)[2], int height, RowCursor results,
                                   RowCursor residuals, const float* sums) {
  const F alpha = set1(g.alpha);
  for (int i = 0; i < height; ++i) {
    Y* y = static_cast<Y*>(static_cast<void*>(results.next()));
    const Residual* residual = adds ? static_cast<const Residual*>(static_cast<void*>(residuals.next())) : nullptr;
    QAVIT_UNROLL
    for (int v = 0; v < 2; ++v) {
      const F x = add(load(sums + i * kColumns + v * kWidth), bias[v]);
      store(y + v * kWidth, adds ? fma(alpha, x, load(residual + v * kWidth)) : mul(alpha, x));
    }
  }
}

template <typename Y>
QAVIT_INLINE void store_whole(const GemmBlock& g, const F (&bias)[2], int height, const RowCursor& results,
                              const RowCursor& residuals, const float* sums) {
  if (g.residual.data == nullptr) return store_whole_rows<Y, float, false>(g, bias, height, results, residuals, sums);
  g.residual.dtype == DType::kBF16 ? store_whole_rows<Y, uint16_t, true>(g, bias, height, results, residuals, sums)
                                   : store_whole_rows<Y, float, true>(g, bias, height, results, residuals, sums);
}

// The same for `valid` columns.
QAVIT_NOINLINE void store_sums(const GemmBlock& g, const float* bias_at, int height, int64_t row, int64_t column,
                               int valid, const float* sums) {
  const int64_t place = g.column_offset + column;
  const bool adds = g.residual.data != nullptr;
  RowCursor results(g.y, row, place), residuals(adds ? g.residual : g.y, row, place);
  F bias[2] = {zero(), zero()};
  if (bias_at != nullptr) {
    bias[0] = load(bias_at + place);
    if (valid > kWidth) bias[1] = load(bias_at + place + kWidth);
  }
  if (valid == kColumns) {
    return g.y.dtype == DType::kBF16 ? store_whole<uint16_t>(g, bias, height, results, residuals, sums)
                                     : store_whole<float>(g, bias, height, results, residuals, sums);
  }
  const F alpha = set1(g.alpha);
  const auto y_size = static_cast<int64_t>(dtype_size(g.y.dtype));
  const auto residual_size = static_cast<int64_t>(dtype_size(g.residual.dtype));
  for (int i = 0; i < height; ++i) {
    char* y = results.next();
    const char* residual = adds ? residuals.next() : nullptr;
    for (int v = 0; v < valid; v += kWidth) {
      F x = add(load(sums + i * kColumns + v), bias[v / kWidth]);
      x = adds ? fma(alpha, x, load_as(residual + v * residual_size, g.residual.dtype, valid - v)) : mul(alpha, x);
      store_as(y + v * y_size, g.y.dtype, x, valid - v);
    }
  }
}

template <Activation activation>
QAVIT_NOINLINE void finish_tile(const GemmBlock& g, int height, int64_t row, int64_t column, int valid, float* sums) {
  if constexpr (activation == Activation::kNone) {
    store_sums(g, g.bias, height, row, column, valid, sums);
  } else {
    g.y.dtype == DType::kBF16 ? activate_sums<activation, true>(g, height, column, valid, sums)
                              : activate_sums<activation, false>(g, height, column, valid, sums);
    store_sums(g, nullptr, height, row, column, valid, sums);
  }
}

// Asks for the lines that finish_tile will touch while the multiplication runs: rows of y lie a row stride apart, so
// their misses would come one after the other. Takes 1024 -> 1024 with an f32 residual from 82% to 93% of peak in bf16.
QAVIT_INLINE void prefetch_tile(const GemmBlock& g, int height, int64_t row, int64_t column, int valid) {
  const int64_t place = g.column_offset + column;
  RowCursor results(g.y, row, place);
  for (int i = 0; i < height; ++i) prefetch_line(results.next(), valid * dtype_size(g.y.dtype));
  if (g.residual.data == nullptr) return;
  RowCursor residuals(g.residual, row, place);
  for (int i = 0; i < height; ++i) prefetch_line(residuals.next(), valid * dtype_size(g.residual.dtype));
}

using FinishTile = void (*)(const GemmBlock&, int, int64_t, int64_t, int, float*);

QAVIT_INLINE FinishTile finish_of(Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      return finish_tile<Activation::kRelu>;
    case Activation::kGeluErf:
      return finish_tile<Activation::kGeluErf>;
    case Activation::kGeluTanh:
      return finish_tile<Activation::kGeluTanh>;
    case Activation::kQuickGelu:
      return finish_tile<Activation::kQuickGelu>;
    case Activation::kSilu:
      return finish_tile<Activation::kSilu>;
    case Activation::kTanh:
      return finish_tile<Activation::kTanh>;
    case Activation::kNone:
      break;
  }
  return finish_tile<Activation::kNone>;
}

// sums[rows][kColumns] = tile * panel in f32 or bf16.
template <typename Product>
struct FloatMultiply {
  static QAVIT_INLINE void tile(const GemmBlock& g, int height, const float* tile, const char* panel, PanelShare later,
                                float* sums) {
    using Operands = TileKernels<Product, Streaming::kOperands, Heights>;
    using PanelAfter = TileKernels<Product, Streaming::kPanelAfter, Heights>;
    const MultiplyTile* by_height = later.at == nullptr ? Operands::kByHeight : PanelAfter::kByHeight;
    by_height[height - 1](g.units, tile, panel, later, sums);
  }
};

// Where few tiles share a panel, its first tile would wait for memory and the others would leave memory idle: each asks
// for its part of the panel that comes next. Products of ViT-B/32 (50 rows, 4 tiles) take 7% less time in f32, 3% in
// bf16 and 2% in int8, Zen 5; with 8 tiles it is 2% or less, with 15 nothing. One tile has nothing to share.
constexpr int64_t kFewestTilesAhead = 2;
constexpr int64_t kMostTilesAhead = 8;

// The part of the next panel that tile t asks for.
QAVIT_INLINE PanelShare share_of_next(const GemmBlock& g, int64_t panel, int64_t t) {
  const int64_t tiles = g.tile_end - g.tile_begin;
  const int64_t next = panel + 1 < g.panel_end ? panel + 1 : g.next_panel;
  if (tiles < kFewestTilesAhead || tiles > kMostTilesAhead || next < 0) return {};
  const int64_t bytes_a_unit = (static_cast<int64_t>(g.panel_bytes) / g.units + tiles - 1) / tiles;
  const char* at = g.panels + static_cast<size_t>(next) * g.panel_bytes;
  return {at + (t - g.tile_begin) * bytes_a_unit * g.units, bytes_a_unit};
}

template <typename Multiply>
QAVIT_INLINE void gemm_block_as(const GemmBlock& g) {
  alignas(64) float sums[kTileRows * kColumns] = {};  // an odd tile's last pair of rows is activated whole
  alignas(64) float gated[kTileRows * kColumns];
  const FinishTile finish = finish_of(g.activation);
  for (int64_t panel = g.panel_begin; panel < g.panel_end; ++panel) {
    const int64_t column = panel * kColumns;
    const int valid = at_most(g.columns - column, kColumns);
    for (int64_t t = g.tile_begin; t < g.tile_end; ++t) {
      const int64_t row = g.tiling.begin(t);
      const int height = g.tiling.height(t);
      const float* tile = g.tiles + row * g.row_floats;
      prefetch_tile(g, height, g.first_row + row, column, valid);
      Multiply::tile(g, height, tile, g.panels + static_cast<size_t>(panel) * g.panel_bytes, share_of_next(g, panel, t),
                     sums);
      if (g.gate_panels != nullptr) {
        Multiply::tile(g, height, tile, g.gate_panels + static_cast<size_t>(panel) * g.panel_bytes, {}, gated);
        add_gated(g, height, column, gated, sums);
      }
      finish(g, height, g.first_row + row, column, valid, sums);
    }
  }
}

template <typename Product>
QAVIT_NOINLINE float multiply_registers_as(int64_t rounds) {
  F c[kTileRows][2];
  QAVIT_UNROLL
  for (int i = 0; i < kTileRows; ++i) {
    c[i][0] = opaque(zero());
    c[i][1] = opaque(zero());
  }
  for (int64_t round = 0; round < rounds; ++round) {
    const F x = opaque(zero()), column = opaque(zero());
    QAVIT_UNROLL
    for (int i = 0; i < kTileRows; ++i) {
      c[i][0] = Product::madd(x, column, c[i][0]);
      c[i][1] = Product::madd(x, column, c[i][1]);
    }
  }
  F total = zero();
  for (int i = 0; i < kTileRows; ++i) total = add(total, add(c[i][0], c[i][1]));
  return sum(total);
}
