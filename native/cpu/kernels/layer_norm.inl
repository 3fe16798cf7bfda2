// layer_norm  y = (x - mean) / sqrt(var + eps) * gamma + beta, row by row
// rms_norm    the same with mean and beta of zero
// Two passes over a row that lies in the level-1 cache:
// E[x^2] - mean^2 would cancel where the mean is large against the deviation, which residual streams of trained towers
// show. Four partial sums hide the latency of the additions.

template <typename Source>
QAVIT_INLINE F sum_of(const Source* x, int64_t n) {
  F total[4] = {zero(), zero(), zero(), zero()};
  int64_t j = 0;
  for (; j + 4 * kWidth <= n; j += 4 * kWidth) {
    for (int v = 0; v < 4; ++v) total[v] = add(total[v], load(x + j + v * kWidth));
  }
  for (; j < n; j += kWidth) total[0] = add(total[0], load_n(x + j, at_most(n - j, kWidth)));
  return add(add(total[0], total[1]), add(total[2], total[3]));
}

template <typename Source>
QAVIT_INLINE F squares_of(const Source* x, int64_t n, F mean) {
  F total[4] = {zero(), zero(), zero(), zero()};
  int64_t j = 0;
  for (; j + 4 * kWidth <= n; j += 4 * kWidth) {
    for (int v = 0; v < 4; ++v) {
      const F d = sub(load(x + j + v * kWidth), mean);
      total[v] = fma(d, d, total[v]);
    }
  }
  for (; j < n; j += kWidth) {
    const int valid = at_most(n - j, kWidth);
    const F d = keep_first(sub(load_n(x + j, valid), mean), valid, zero());
    total[0] = fma(d, d, total[0]);
  }
  return add(add(total[0], total[1]), add(total[2], total[3]));
}

template <typename Source, typename Target, bool centred>
QAVIT_INLINE void normalize_row(const NormRows& p, const Source* x, Target* y) {
  const int64_t n = p.width;
  const float mean = centred ? sum(sum_of(x, n)) / static_cast<float>(n) : 0.0f;
  const float variance = sum(squares_of(x, n, set1(mean))) / static_cast<float>(n);
  const F center = set1(mean), scale = set1(1.0f / sqrtf(variance + p.eps));
  for (int64_t j = 0; j < n; j += kWidth) {
    const int valid = at_most(n - j, kWidth);
    F z = mul(sub(load_n(x + j, valid), center), scale);
    if (p.gamma != nullptr) z = mul(z, load(p.gamma + j));
    if (p.beta != nullptr) z = add(z, load(p.beta + j));
    store_n(y + j, z, valid);
  }
}

template <typename Source, typename Target, bool centred>
QAVIT_NOINLINE void normalize_rows(const NormRows& p) {
  for (int64_t r = p.begin; r < p.end; ++r) {
    normalize_row<Source, Target, centred>(p, static_cast<const Source*>(static_cast<const void*>(p.x->at(r, 0))),
                                           static_cast<Target*>(static_cast<void*>(p.y->at(r, 0))));
  }
}

template <bool centred>
QAVIT_INLINE void normalize(const NormRows& p) {
  const bool narrow_x = p.x->dtype == DType::kBF16, narrow_y = p.y->dtype == DType::kBF16;
  if (narrow_x) {
    return narrow_y ? normalize_rows<uint16_t, uint16_t, centred>(p) : normalize_rows<uint16_t, float, centred>(p);
  }
  narrow_y ? normalize_rows<float, uint16_t, centred>(p) : normalize_rows<float, float, centred>(p);
}

void layer_norm(const NormRows& p) { normalize<true>(p); }
void rms_norm(const NormRows& p) { normalize<false>(p); }
