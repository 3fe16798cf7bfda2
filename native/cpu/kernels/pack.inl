// Packing: every operand is rewritten once so that the micro-kernel reads it straight through, without strides that
// fall into one cache set (rows of 1,024 floats lie exactly 4 KiB apart). All packers share one loop: kWidth units of
// up to kWidth rows are loaded, converted and transposed in registers.

constexpr int kColumns = 2 * kWidth;  // of a panel: two vectors, so that a broadcast serves two multiply-adds

QAVIT_INLINE int at_most(int64_t n, int limit) { return n < limit ? static_cast<int>(n) : limit; }

template <typename Product>
QAVIT_INLINE int64_t units_of(int64_t elements) {
  return (elements + Product::kPerUnit - 1) / Product::kPerUnit;
}

// out[u * stride + i] = unit u of v[i] for i < width and the `units` units that are left, at most kWidth of them.
QAVIT_INLINE void store_units(const F (&v)[kWidth], int width, int64_t units, float* out, int stride) {
  if (units >= kWidth) return store_transposed(v, width, out, stride);
  float last[kWidth * kWidth];
  store_transposed(v, kWidth, last, kWidth);
  for (int u = 0; u < units; ++u) {
    for (int i = 0; i < width; ++i) out[u * stride + i] = last[u * kWidth + i];
  }
}

// Dense or strided rows.
template <typename Source>
struct PlainRows {
  const Source* row[kWidth];

  const Source* chunk(int i, int64_t element, int /*n*/, Source* /*assembled*/) const { return row[i] + element; }
};

// out[u * stride + i] = unit u of row i for i < valid, 0 for valid <= i < width. `rows.chunk` gives n consecutive
// elements of a row, using the array it is handed where the source does not hold them in one piece.
template <typename Product, typename Source, typename Rows>
QAVIT_INLINE void pack_transposed(const Rows& rows, int valid, int width, int64_t elements, float* out, int stride) {
  constexpr int kChunk = kWidth * Product::kPerUnit;
  const int64_t units = units_of<Product>(elements);
  Source assembled[kChunk];
  F v[kWidth];
  for (int i = 0; i < kWidth; ++i) v[i] = zero();
  for (int64_t u = 0; u < units; u += kWidth) {
    const int64_t element = u * Product::kPerUnit;
    const int n = at_most(elements - element, kChunk);
    for (int i = 0; i < valid; ++i) v[i] = Product::units(rows.chunk(i, element, n, assembled), n);
    store_units(v, width, units - u, out + u * stride, stride);
  }
}

// The same into columns that are kept as bf16 where no instruction multiplies them.
template <typename Product, typename Source>
QAVIT_INLINE void pack_transposed_narrow(const PlainRows<Source>& rows, int valid, int64_t elements, uint16_t* out,
                                         int stride) {
  for (int64_t u = 0; u < elements; u += kWidth) {
    float block[kWidth * kWidth];
    const int n = at_most(elements - u, kWidth);
    PlainRows<Source> at = rows;
    for (int i = 0; i < valid; ++i) at.row[i] += u;
    pack_transposed<Product, Source>(at, valid, kWidth, n, block, kWidth);
    for (int k = 0; k < n; ++k) store(out + (u + k) * stride, load(block + k * kWidth));
  }
}

template <typename Product, typename Source>
QAVIT_NOINLINE void pack_weight_as(const WeightPanel& w) {
  using Element = typename Product::Element;
  for (int column = 0; column < kColumns; column += kWidth) {
    const int valid = w.valid <= column ? 0 : at_most(w.valid - column, kWidth);
    PlainRows<Source> rows = {};
    for (int i = 0; i < valid; ++i) rows.row[i] = static_cast<const Source*>(w.source) + (column + i) * w.in;
    Element* out = static_cast<Element*>(w.out) + column;
    if constexpr (sizeof(Element) == sizeof(float)) {
      pack_transposed<Product, Source>(rows, valid, kWidth, w.in, out, kColumns);
    } else {
      pack_transposed_narrow<Product, Source>(rows, valid, w.in, out, kColumns);
    }
  }
}

template <typename Product>
QAVIT_INLINE void pack_float_weight(const WeightPanel& w) {
  if (w.source_dtype == DType::kF32) return pack_weight_as<Product, float>(w);
  if (w.source_dtype == DType::kBF16) return pack_weight_as<Product, uint16_t>(w);
  pack_weight_as<Product, Half>(w);
}

template <typename Product, typename Source>
QAVIT_NOINLINE void pack_rows_as(const RowTile& t) {
  for (int row = 0; row < t.height; row += kWidth) {
    const int valid = at_most(t.height - row, kWidth);
    PlainRows<Source> rows;
    for (int i = 0; i < valid; ++i) {
      rows.row[i] = static_cast<const Source*>(static_cast<const void*>(t.x.at(t.first + row + i, t.column)));
    }
    pack_transposed<Product, Source>(rows, valid, valid, t.in, t.out + row, t.height);
  }
}

template <typename Product>
QAVIT_INLINE void pack_rows_from(const RowTile& t) {
  t.x.dtype == DType::kBF16 ? pack_rows_as<Product, uint16_t>(t) : pack_rows_as<Product, float>(t);
}

// Patches of an image: `line` consecutive bytes on each of P image rows.
struct PatchRows {
  const uint8_t* corner[kWidth];
  int64_t line;         // P * 3
  int64_t line_stride;  // bytes from one image row to the next

  const uint8_t* chunk(int i, int64_t element, int n, uint8_t* assembled) const {
    int64_t y = element / line, x = element % line;
    if (x + n <= line) return corner[i] + y * line_stride + x;
    for (int copied = 0; copied < n; ++y, x = 0) {
      const int run = at_most(line - x, n - copied);
      std::memcpy(assembled + copied, corner[i] + y * line_stride + x, static_cast<size_t>(run));
      copied += run;
    }
    return assembled;
  }
};

template <typename Product>
QAVIT_NOINLINE void pack_patches_as(const PatchTile& t) {
  const int64_t per_image = t.patches_across * t.patches_down;
  for (int row = 0; row < t.height; row += kWidth) {
    const int valid = at_most(t.height - row, kWidth);
    PatchRows rows;
    rows.line = t.patch * 3;
    rows.line_stride = t.pixels.row_stride;
    for (int i = 0; i < valid; ++i) {
      const int64_t index = t.first + row + i, image = index / per_image, patch = index % per_image;
      const int64_t y = patch / t.patches_across * t.patch, x = patch % t.patches_across * rows.line;
      rows.corner[i] =
          static_cast<const uint8_t*>(t.pixels.data) + image * t.pixels.batch_stride + y * rows.line_stride + x;
    }
    pack_transposed<Product, uint8_t>(rows, valid, valid, t.patch * rows.line, t.out + row, t.height);
  }
}

void pack_patches(const PatchTile& t) {
  t.dtype == DType::kBF16 ? pack_patches_as<Bf16Product>(t) : pack_patches_as<F32Product>(t);
}
