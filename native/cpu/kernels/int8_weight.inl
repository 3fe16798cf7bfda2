// Weight panels in int8, as core/int8.h defines them: each channel's scale, its levels in the bytes of the panel's
// units, their sum. Two passes over kWidth channels, which a level-2 cache holds between them (16 channels of 4,096 f32
// are 256 KiB). The levels are those of quantize_channel, to the last one.

template <typename Source>
QAVIT_INLINE Int8Scale measure_channel(const Source* w, int64_t n) {
  F most = zero(), poison = zero();
  for (int64_t j = 0; j < n; j += kWidth) {
    const F v = load_n(w + j, at_most(n - j, kWidth));
    most = max(most, abs(v));
    poison = fma(v, zero(), poison);  // NaN from the first infinity or NaN on
  }
  return int8_channel(largest(most), sum(poison) == 0.0f);
}

// The bytes of kWidth units of a channel, n elements of which are read, as one vector; adds its levels to `total`.
template <typename Source>
QAVIT_INLINE F level_bytes(const Source* w, int64_t n, F inverse, F* total) {
  int8_t bytes[kWidth * kInt8PerUnit];
  for (int first = 0; first < kWidth * kInt8PerUnit; first += kWidth) {
    const int valid = at_most(n - first, kWidth);
    const F level = valid > 0 ? round(mul(load_n(w + first, valid), inverse)) : zero();
    *total = add(*total, level);
    float lanes[kWidth];
    store(lanes, level);
    for (int i = 0; i < kWidth; ++i) bytes[first + i] = static_cast<int8_t>(static_cast<int32_t>(lanes[i]));
  }
  float bits[kWidth];
  std::memcpy(bits, bytes, sizeof bits);
  return load(bits);
}

// kWidth columns of a panel, `valid` of which are channels; `rows` are theirs.
template <typename Source>
QAVIT_INLINE void pack_int8_columns(const PlainRows<Source>& rows, int valid, int64_t in, float* units, float* scales,
                                    float* sums) {
  F inverse[kWidth], total[kWidth], v[kWidth];
  for (int i = 0; i < kWidth; ++i) {
    const Int8Scale scale = i < valid ? measure_channel(rows.row[i], in) : Int8Scale{};
    scales[i] = scale.scale;
    inverse[i] = set1(scale.inverse);
    total[i] = v[i] = zero();
  }
  const int64_t count = (in + kInt8PerUnit - 1) / kInt8PerUnit;
  for (int64_t u = 0; u < count; u += kWidth) {
    const int64_t element = u * kInt8PerUnit;
    for (int i = 0; i < valid; ++i) {
      // A channel of zeros, or one with a NaN in it, which times 0 would be no level.
      if (inverse[i][0] == 0.0f) continue;
      v[i] = level_bytes(rows.row[i] + element, in - element, inverse[i], &total[i]);
    }
    store_units(v, kWidth, count - u, units + u * kColumns, kColumns);
    for (int k = 0; k < at_most(count - u, kWidth); ++k) Int8Product::arrange(units + (u + k) * kColumns);
  }
  for (int i = 0; i < kWidth; ++i) {
    const auto levels = static_cast<int32_t>(sum(total[i]));  // exact: kMaxInt8Columns * 127 < 2^24
    std::memcpy(sums + i, &levels, sizeof levels);
  }
}

template <typename Source>
QAVIT_NOINLINE void pack_int8_weight_as(const WeightPanel& w) {
  auto* units = static_cast<float*>(w.out);
  float* scales = units + (w.in + kInt8PerUnit - 1) / kInt8PerUnit * kColumns;
  for (int column = 0; column < kColumns; column += kWidth) {
    const int valid = w.valid <= column ? 0 : at_most(w.valid - column, kWidth);
    PlainRows<Source> rows = {};
    for (int i = 0; i < valid; ++i) rows.row[i] = static_cast<const Source*>(w.source) + (column + i) * w.in;
    pack_int8_columns(rows, valid, w.in, units + column, scales + column, scales + kColumns + column);
  }
}

QAVIT_INLINE void pack_int8_weight(const WeightPanel& w) {
  if (w.source_dtype == DType::kF32) return pack_int8_weight_as<float>(w);
  if (w.source_dtype == DType::kBF16) return pack_int8_weight_as<uint16_t>(w);
  pack_int8_weight_as<Half>(w);
}
