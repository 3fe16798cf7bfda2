// Exponentials and activations of one vector or of several in step (V is F or Fs). Polynomials are least-maximum fits
// of our own (Lawson's reweighting on Chebyshev nodes); errors are measured over all coefficients rounded to f32.
// Infinities and NaN give what the formulas give: gelu(-inf) is -inf * 0.

constexpr float kLog2e = 1.44269504f;

// 2^f for f in [0, 1); exactly 1 at 0. Relative error 6.4e-8 in f32, or 3.0e-6 with two terms less where the result is
// going to be bf16.
template <bool coarse, typename V>
QAVIT_INLINE V exp2_fraction(V f) {
  V p;
  if constexpr (coarse) {
    p = set1(0.013426685f);
    p = fma(p, f, set1(0.052242473f));
    p = fma(p, f, set1(0.2412802f));
    p = fma(p, f, set1(0.69304484f));
  } else {
    p = set1(0.00021612915f);
    p = fma(p, f, set1(0.0012467847f));
    p = fma(p, f, set1(0.0096754516f));
    p = fma(p, f, set1(0.055485282f));
    p = fma(p, f, set1(0.24022931f));
    p = fma(p, f, set1(0.69314706f));
  }
  return fma(p, f, set1(1.0f));
}

// 2^t; what is below the normal numbers may become 0.
template <bool coarse = false, typename V>
QAVIT_INLINE V exp2(V t) {
  t = exponent_range(t);
  return scale_exp2(exp2_fraction<coarse>(fraction(t)), t);
}

// e^x for any x. Where it matters, ln 2 is subtracted in two parts, the first with 9 bits so that n times it is exact:
// the rounding of x * log2(e) grows with x, to a relative error of 4e-8 * |x|.
template <bool coarse, typename V>
QAVIT_INLINE V exp(V x) {
  if constexpr (coarse) return exp2<true>(mul(x, set1(kLog2e)));
  x = min(set1(89.0f), max(set1(-88.0f), x));  // infinity, and less than the smallest normal number
  const V n = floor(mul(x, set1(kLog2e)));
  const V r = fma(n, set1(2.12194440e-4f), fma(n, set1(-0.693359375f), x));
  return scale_exp2(exp2_fraction<false>(mul(r, set1(kLog2e))), n);
}

// x / (1 + e^-u)
template <bool coarse, typename V>
QAVIT_INLINE V logistic_product(V x, V u) {
  return quotient<coarse>(x, add(set1(1.0f), exp<coarse>(sub(zero(), u))));
}

// `coarse` where the result is going to be bf16: errors then stay below 7e-5 of it, a thirtieth of what rounding takes.
template <Activation kind>
struct Activate {
  template <bool coarse, typename V>
  static QAVIT_INLINE V of(V x) {
    return x;
  }
};

template <>
struct Activate<Activation::kRelu> {
  template <bool coarse, typename V>
  static QAVIT_INLINE V of(V x) {
    return max(V(zero()), x);
  }
};

// x * Phi(x), Phi the normal distribution. Phi(-|x|) = 2^q(|x|) with a polynomial q, weighted so that the absolute
// error of the result is 3.5e-8; no division, and unlike erf's usual formulas the tail keeps falling to exactly 0.
template <>
struct Activate<Activation::kGeluErf> {
  template <bool coarse, typename V>
  static QAVIT_INLINE V of(V x) {
    const V t = min(set1(14.0f), abs(x));
    V q = set1(-1.9020649e-06f);
    q = fma(q, t, set1(2.8056931e-05f));
    q = fma(q, t, set1(-0.00013147318f));
    q = fma(q, t, set1(-0.00027207568f));
    q = fma(q, t, set1(0.0072454214f));
    q = fma(q, t, set1(-0.052627612f));
    q = fma(q, t, set1(-0.45916215f));
    q = fma(q, t, set1(-1.151111f));
    q = fma(q, t, set1(-1.0f));
    const V tail = exp2<coarse>(q);
    return mul(x, select_negative(x, tail, sub(set1(1.0f), tail)));
  }
};

// 0.5 x (1 + tanh(u)) = x / (1 + e^-2u), u = sqrt(2 / pi) (x + 0.044715 x^3).
template <>
struct Activate<Activation::kGeluTanh> {
  template <bool coarse, typename V>
  static QAVIT_INLINE V of(V x) {
    const V cubic = fma(mul(x, x), set1(0.044715f), set1(1.0f));
    return logistic_product<coarse>(x, mul(mul(x, cubic), set1(1.5957691f)));
  }
};

template <>
struct Activate<Activation::kQuickGelu> {
  template <bool coarse, typename V>
  static QAVIT_INLINE V of(V x) {
    return logistic_product<coarse>(x, mul(x, set1(1.702f)));
  }
};

template <>
struct Activate<Activation::kSilu> {
  template <bool coarse, typename V>
  static QAVIT_INLINE V of(V x) {
    return logistic_product<coarse>(x, x);
  }
};

// Near 0 a polynomial, relative error 7e-8; elsewhere (1 - e) / (1 + e) with e = e^-2|x|, which would cancel there.
template <>
struct Activate<Activation::kTanh> {
  template <bool coarse, typename V>
  static QAVIT_INLINE V of(V x) {
    const V square = mul(x, x);
    V p = set1(-0.0057049464f);
    p = fma(p, square, set1(0.020639053f));
    p = fma(p, square, set1(-0.053739704f));
    p = fma(p, square, set1(0.13331442f));
    p = fma(p, square, set1(-0.3333328f));
    const V near = fma(mul(x, square), p, x);
    const V e = exp<false>(mul(abs(x), set1(-2.0f)));
    const V magnitude = div(sub(set1(1.0f), e), add(set1(1.0f), e));
    const V far = select_negative(x, sub(zero(), magnitude), magnitude);
    return select_negative(sub(abs(x), set1(0.625f)), near, far);
  }
};
