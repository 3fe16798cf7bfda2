// One query's attention, keys and values read where they lie. Saying a token asks once over a cache: rewriting the keys
// for the matrix kernel, as attention.inl does for many queries, would cost more than it saves. Everything is read
// once, so the loops only have to keep up with memory: four keys at a time hide the latency of the additions, and rows
// are asked for ahead, since one head's pieces of them are too far apart for the processor to do so by itself. Sixteen
// answers of T5 base: a step 33.3 to 27.9 ms on one Zen 5 core, one answer 2% (bf16).

constexpr int kKeysAtOnce = 4;
constexpr int kRowsAhead = 32;

// May ask for what lies behind the last row, which is harmless.
template <typename Source>
QAVIT_INLINE void prefetch_row(const Source* row, int64_t count) {
  for (int64_t at = 0; at < count; at += 64 / static_cast<int64_t>(sizeof *row)) QAVIT_PREFETCH_NEAR(row + at);
}

// Head widths of whole steps, as those of published models are, are read without masks, and bf16 without sorting its
// even and odd places: the query lies in the same order.
constexpr int kWholeStep = 4 * kWidth;

// `query`: as keys are read, whole or with masks.
template <typename Source, bool whole>
QAVIT_INLINE void score_keys(const AttentionRow& a, const float* query) {
  const Source* keys = static_cast<const Source*>(a.keys.data);
  for (int64_t begin = 0; begin < a.keys.count; begin += kKeysAtOnce) {
    const int count = at_most(a.keys.count - begin, kKeysAtOnce);
    for (int i = 0; i < kKeysAtOnce; ++i) prefetch_row(keys + (begin + kRowsAhead + i) * a.keys.stride, a.width);
    const Source* row[kKeysAtOnce];
    F sums[kKeysAtOnce];
    for (int i = 0; i < kKeysAtOnce; ++i) {
      row[i] = keys + (begin + (i < count ? i : 0)) * a.keys.stride;
      sums[i] = zero();
    }
    if constexpr (whole) {
      for (int64_t d = 0; d < a.width; d += 2 * kWidth) {
        const F first = load(query + d), second = load(query + d + kWidth);
        QAVIT_UNROLL
        for (int i = 0; i < kKeysAtOnce; ++i) {
          const Two k = load_two(row[i] + d);
          sums[i] = fma(second, k.v[1], fma(first, k.v[0], sums[i]));
        }
      }
    } else {
      for (int64_t d = 0; d < a.width; d += kWidth) {
        const int n = at_most(a.width - d, kWidth);
        const F q = load(query + d);
        QAVIT_UNROLL
        for (int i = 0; i < kKeysAtOnce; ++i) sums[i] = fma(q, load_n(row[i] + d, n), sums[i]);
      }
    }
    sum_each(sums, a.scores + begin);  // past the last key: room, and of no meaning
  }
}

// Scales, adds the bias, hides the padding behind the last key; the largest score.
QAVIT_INLINE float finish_scores(const AttentionRow& a) {
  const F scale = set1(a.scale * kLog2e);
  F top = set1(-kInfinity);
  for (int64_t j = 0; j < a.keys.count; j += kWidth) {
    const int n = at_most(a.keys.count - j, kWidth);
    F s = mul(load_n(a.scores + j, n), scale);
    if (a.bias != nullptr) s = add(s, load(a.bias + j));
    s = keep_first(s, n, set1(-kInfinity));
    store(a.scores + j, s);
    top = max(top, s);
  }
  return largest(top);
}

// `vectors` columns of the output from `column` on; `last` elements of the last one.
template <typename Source, int vectors>
QAVIT_INLINE void mix_values(const AttentionRow& a, int64_t column, int last, float inverse) {
  const Source* values = static_cast<const Source*>(a.values.data) + column;
  F c[vectors];
  for (int v = 0; v < vectors; ++v) c[v] = zero();
  for (int64_t j = 0; j < a.values.count; ++j) {
    const F weight = set1(a.scores[j]);
    const Source* row = values + j * a.values.stride;
    QAVIT_UNROLL
    for (int v = 0; v < vectors; ++v) {
      c[v] = fma(weight, load_n(row + v * kWidth, v == vectors - 1 ? last : kWidth), c[v]);
    }
  }
  const auto size = static_cast<int64_t>(dtype_size(a.out_dtype));
  for (int v = 0; v < vectors; ++v) {
    char* out = static_cast<char*>(a.out) + (column + v * kWidth) * size;
    store_as(out, a.out_dtype, mul(c[v], set1(inverse)), v == vectors - 1 ? last : kWidth);
  }
}

// kWholeStep columns of the output from `column` on.
template <typename Source>
QAVIT_INLINE void mix_whole_values(const AttentionRow& a, int64_t column, float inverse) {
  const Source* values = static_cast<const Source*>(a.values.data) + column;
  Two c[2] = {{{zero(), zero()}}, {{zero(), zero()}}};
  for (int64_t j = 0; j < a.values.count; ++j) {
    prefetch_row(values + (j + kRowsAhead) * a.values.stride, kWholeStep);
    const F weight = set1(a.scores[j]);
    QAVIT_UNROLL
    for (int t = 0; t < 2; ++t) {
      const Two row = load_two(values + j * a.values.stride + t * 2 * kWidth);
      c[t].v[0] = fma(weight, row.v[0], c[t].v[0]);
      c[t].v[1] = fma(weight, row.v[1], c[t].v[1]);
    }
  }
  const auto size = static_cast<int64_t>(dtype_size(a.out_dtype));
  for (int t = 0; t < 2; ++t) {
    const Two out = in_order(Source{}, c[t]);
    for (int i = 0; i < 2; ++i) {
      char* to = static_cast<char*>(a.out) + (column + (2 * t + i) * kWidth) * size;
      store_as(to, a.out_dtype, mul(out.v[i], set1(inverse)), kWidth);
    }
  }
}

template <typename Source>
QAVIT_NOINLINE void attend_row_as(const AttentionRow& a) {
  alignas(64) float query[kMaxHeadWidth];
  const auto* from = static_cast<const Source*>(a.query);
  if (a.width % kWholeStep == 0) {
    for (int64_t d = 0; d < a.width; d += 2 * kWidth) {
      const Two q = load_two(from + d);
      store(query + d, q.v[0]);
      store(query + d + kWidth, q.v[1]);
    }
    score_keys<Source, true>(a, query);
    const float inverse = weigh_row<false>(a.scores, padded_keys(a.keys.count), finish_scores(a));
    for (int64_t column = 0; column < a.width; column += kWholeStep) mix_whole_values<Source>(a, column, inverse);
    return;
  }
  for (int64_t d = 0; d < a.width; d += kWidth) {
    store(query + d, load_n(from + d, at_most(a.width - d, kWidth)));
  }
  score_keys<Source, false>(a, query);
  const float inverse = weigh_row<false>(a.scores, padded_keys(a.keys.count), finish_scores(a));
  int64_t column = 0;
  for (; a.width - column >= 4 * kWidth; column += 4 * kWidth) mix_values<Source, 4>(a, column, kWidth, inverse);
  for (; column < a.width; column += kWidth) {
    mix_values<Source, 1>(a, column, at_most(a.width - column, kWidth), inverse);
  }
}

void attend_row(const AttentionRow& a) {
  a.keys.dtype == DType::kBF16 ? attend_row_as<uint16_t>(a) : attend_row_as<float>(a);
}
