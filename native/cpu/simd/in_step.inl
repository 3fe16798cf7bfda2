// Several vectors that go through the same formula in step. An activation is one long chain of additions and
// multiplications, 90 cycles for 30 instructions, and a core looks ahead over about a hundred of them: taken one after
// the other, vectors wait for themselves. In step they fill each other's gaps; the formulas in vector_math.inl are
// written once, for one vector (F) or several (Fs).

constexpr int kInStep = 4;

struct Fs {
  F v[kInStep];
  Fs() = default;
  QAVIT_INLINE Fs(F same) {  // NOLINT: a constant stands for several of itself
    QAVIT_UNROLL
    for (int i = 0; i < kInStep; ++i) v[i] = same;
  }
};

#define QAVIT_IN_STEP(expression)                        \
  Fs y;                                                  \
  QAVIT_UNROLL                                           \
  for (int i = 0; i < kInStep; ++i) y.v[i] = expression; \
  return y

QAVIT_INLINE Fs add(const Fs& a, const Fs& b) { QAVIT_IN_STEP(add(a.v[i], b.v[i])); }
QAVIT_INLINE Fs sub(const Fs& a, const Fs& b) { QAVIT_IN_STEP(sub(a.v[i], b.v[i])); }
QAVIT_INLINE Fs mul(const Fs& a, const Fs& b) { QAVIT_IN_STEP(mul(a.v[i], b.v[i])); }
QAVIT_INLINE Fs div(const Fs& a, const Fs& b) { QAVIT_IN_STEP(div(a.v[i], b.v[i])); }
QAVIT_INLINE Fs max(const Fs& a, const Fs& b) { QAVIT_IN_STEP(max(a.v[i], b.v[i])); }
QAVIT_INLINE Fs min(const Fs& a, const Fs& b) { QAVIT_IN_STEP(min(a.v[i], b.v[i])); }
QAVIT_INLINE Fs abs(const Fs& a) { QAVIT_IN_STEP(abs(a.v[i])); }
QAVIT_INLINE Fs fma(const Fs& a, const Fs& b, const Fs& c) { QAVIT_IN_STEP(fma(a.v[i], b.v[i], c.v[i])); }
QAVIT_INLINE Fs floor(const Fs& a) { QAVIT_IN_STEP(floor(a.v[i])); }
QAVIT_INLINE Fs exponent_range(const Fs& t) { QAVIT_IN_STEP(exponent_range(t.v[i])); }
QAVIT_INLINE Fs fraction(const Fs& t) { QAVIT_IN_STEP(fraction(t.v[i])); }
QAVIT_INLINE Fs scale_exp2(const Fs& p, const Fs& t) { QAVIT_IN_STEP(scale_exp2(p.v[i], t.v[i])); }
template <bool coarse>
QAVIT_INLINE Fs quotient(const Fs& a, const Fs& b) {
  QAVIT_IN_STEP(quotient<coarse>(a.v[i], b.v[i]));
}
QAVIT_INLINE Fs select_negative(const Fs& a, const Fs& yes, const Fs& no) {
  QAVIT_IN_STEP(select_negative(a.v[i], yes.v[i], no.v[i]));
}

#undef QAVIT_IN_STEP

QAVIT_INLINE Fs load_in_step(const float* p) {
  Fs a;
  QAVIT_UNROLL
  for (int i = 0; i < kInStep; ++i) a.v[i] = load(p + i * kWidth);
  return a;
}
template <typename T>
QAVIT_INLINE void store(T* p, const Fs& a) {
  QAVIT_UNROLL
  for (int i = 0; i < kInStep; ++i) store(p + i * kWidth, a.v[i]);
}
