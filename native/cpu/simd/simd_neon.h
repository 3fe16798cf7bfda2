// Four floats of an arm64 processor: NEON, with sdot where QAVIT_DOT is 1 and bfdot where QAVIT_BF16_PAIRS is. Included
// inside a target region and an anonymous namespace; see target.h. The names are explained in simd_avx512.h.
//
// Products take a row's element from a lane of a half register, which saves the broadcast: on Neoverse cores it would
// take a turn of the multipliers.
#pragma once

using F = float32x4_t;
using M = uint32x4_t;
constexpr int kWidth = 4;
constexpr int kTileRows = 12;  // 12 x 8: 24 accumulators, two columns and the rows' elements in 32 registers
constexpr int64_t kTaskRows = 336;
constexpr int kUnitsUnrolled = 1;
constexpr int64_t kUnitsAhead = 32;  // 384 cycles with two multipliers

QAVIT_INLINE F zero() { return vdupq_n_f32(0.0f); }
QAVIT_INLINE F set1(float x) { return vdupq_n_f32(x); }
QAVIT_INLINE F add(F a, F b) { return vaddq_f32(a, b); }
QAVIT_INLINE F sub(F a, F b) { return vsubq_f32(a, b); }
QAVIT_INLINE F mul(F a, F b) { return vmulq_f32(a, b); }
QAVIT_INLINE F div(F a, F b) { return vdivq_f32(a, b); }
QAVIT_INLINE F abs(F a) { return vabsq_f32(a); }
QAVIT_INLINE F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }
QAVIT_INLINE M less(F a, F b) { return vcltq_f32(a, b); }
QAVIT_INLINE F select(M m, F yes, F no) { return vbslq_f32(m, yes, no); }
// fmax and fmin give a NaN whichever operand is one.
QAVIT_INLINE F max(F a, F b) { return select(less(b, a), a, b); }
QAVIT_INLINE F min(F a, F b) { return select(less(a, b), a, b); }
QAVIT_INLINE F select_negative(F a, F yes, F no) {
  return select(vreinterpretq_u32_s32(vshrq_n_s32(vreinterpretq_s32_f32(a), 31)), yes, no);
}
QAVIT_INLINE F round(F a) { return vrndnq_f32(a); }
QAVIT_INLINE F floor(F a) { return vrndmq_f32(a); }
QAVIT_INLINE F exponent_range(F t) { return min(set1(128.0f), max(set1(-127.0f), t)); }
QAVIT_INLINE F fraction(F t) { return sub(t, floor(t)); }
template <bool coarse>
QAVIT_INLINE F quotient(F a, F b) {
  return div(a, b);
}
// See scale_exp2 in simd_avx2.h.
QAVIT_INLINE F scale_exp2(F p, F t) {
  const uint32x4_t exponent = vreinterpretq_u32_f32(add(floor(t), set1(12582912.0f + 127.0f)));
  return mul(p, vreinterpretq_f32_u32(vshlq_n_u32(exponent, 23)));
}
QAVIT_INLINE F opaque(F a) {
  __asm__("" : "+w"(a));
  return a;
}
QAVIT_INLINE float sum(F a) { return vaddvq_f32(a); }
QAVIT_INLINE float largest(F a) { return vmaxvq_f32(a); }

QAVIT_INLINE M first(int n) {
  const uint32_t lanes[kWidth] = {0, 1, 2, 3};
  return vcltq_u32(vld1q_u32(lanes), vdupq_n_u32(static_cast<uint32_t>(n)));
}
QAVIT_INLINE F keep_first(F a, int n, F rest) { return select(first(n), a, rest); }

QAVIT_INLINE F load(const float* p) { return vld1q_f32(p); }
QAVIT_INLINE void store(float* p, F a) { vst1q_f32(p, a); }
QAVIT_INLINE F load(const uint16_t* p) { return vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(vld1_u16(p)), 16)); }
QAVIT_INLINE F load(const Half* p) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const uint16_t*>(p))));
}
QAVIT_INLINE F load(const uint8_t* p) {
  uint32_t four;
  std::memcpy(&four, p, sizeof four);
  return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four)))));
}

#include "cpu/simd/two.inl"

QAVIT_INLINE Two load_two(const uint16_t* p) {
  const uint32x4_t pairs = vreinterpretq_u32_u16(vld1q_u16(p));
  return {{vreinterpretq_f32_u32(vshlq_n_u32(pairs, 16)),
           vreinterpretq_f32_u32(vandq_u32(pairs, vdupq_n_u32(0xffff0000u)))}};
}
QAVIT_INLINE Two in_order(uint16_t, const Two& a) { return {{vzip1q_f32(a.v[0], a.v[1]), vzip2q_f32(a.v[0], a.v[1])}}; }

QAVIT_INLINE void sum_each(const F (&a)[4], float* out) {
  vst1q_f32(out, vpaddq_f32(vpaddq_f32(a[0], a[1]), vpaddq_f32(a[2], a[3])));
}

// See rounded_bits in simd_avx512.h.
QAVIT_INLINE uint32x4_t rounded_bits(F a) {
  const uint32x4_t bits = vreinterpretq_u32_f32(a);
  const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
  const uint32x4_t even = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
  const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
  return vbslq_u32(vceqq_f32(a, a), even, quiet);
}
QAVIT_INLINE F round_bf16(F a) { return vreinterpretq_f32_u32(vandq_u32(rounded_bits(a), vdupq_n_u32(0xffff0000u))); }
#if QAVIT_BF16_PAIRS
QAVIT_INLINE void store(uint16_t* p, F a) {
  const bfloat16x4_t narrow = vcvt_bf16_f32(a);
  std::memcpy(p, &narrow, sizeof narrow);
}
#else
QAVIT_INLINE void store(uint16_t* p, F a) { vst1_u16(p, vshrn_n_u32(rounded_bits(a), 16)); }
#endif

#include "cpu/simd/partial.inl"

// out[u * stride + i] = rows[i][u] for i < n.
QAVIT_INLINE void store_transposed(const F* rows, int n, float* out, int stride) {
  const float64x2_t even01 = vreinterpretq_f64_f32(vtrn1q_f32(rows[0], rows[1]));
  const float64x2_t odd01 = vreinterpretq_f64_f32(vtrn2q_f32(rows[0], rows[1]));
  const float64x2_t even23 = vreinterpretq_f64_f32(vtrn1q_f32(rows[2], rows[3]));
  const float64x2_t odd23 = vreinterpretq_f64_f32(vtrn2q_f32(rows[2], rows[3]));
  const F units[kWidth] = {
      vreinterpretq_f32_f64(vtrn1q_f64(even01, even23)), vreinterpretq_f32_f64(vtrn1q_f64(odd01, odd23)),
      vreinterpretq_f32_f64(vtrn2q_f64(even01, even23)), vreinterpretq_f32_f64(vtrn2q_f64(odd01, odd23))};
  QAVIT_UNROLL
  for (int u = 0; u < kWidth; ++u) store_n(out + u * stride, units[u], n);
}

using RowElement = float32x2_t;  // in its first lane
// Volatile: a compiler that loads all elements of a tile's rows ahead has no registers left for the sums (gcc 12 keeps
// five of 24 in memory then).
QAVIT_INLINE RowElement row_element(const float* p) {
  RowElement x = {*p, 0.0f};
  __asm__ volatile("" : "+w"(x));
  return x;
}
QAVIT_INLINE F fma(RowElement a, F b, F c) { return vfmaq_lane_f32(c, b, a, 0); }

#include "cpu/simd/products.inl"

#if QAVIT_BF16_PAIRS
// A unit is two consecutive bf16 elements in 32 bits; bfdot adds both products to an f32.
struct Bf16Product {
  static constexpr int kPerUnit = 2;
  using Element = float;
  static QAVIT_INLINE bfloat16x8_t pairs(F a) { return vreinterpretq_bf16_f32(a); }
  static QAVIT_INLINE RowElement row(const float* p) { return row_element(p); }
  static QAVIT_INLINE F column(const float* p) { return load(p); }
  static QAVIT_INLINE F madd(F a, F b, F c) { return vbfdotq_f32(c, pairs(b), pairs(a)); }
  static QAVIT_INLINE F madd(RowElement a, F b, F c) {
    return vbfdotq_lane_f32(c, pairs(b), vreinterpret_bf16_f32(a), 0);
  }
  static QAVIT_INLINE F units(const uint16_t* p, int n) {
    if (n >= 2 * kWidth) return vreinterpretq_f32_u16(vld1q_u16(p));
    uint16_t whole[2 * kWidth] = {};
    std::memcpy(whole, p, static_cast<size_t>(n) * sizeof *p);
    return vreinterpretq_f32_u16(vld1q_u16(whole));
  }
  template <typename Source>
  static QAVIT_INLINE F units(const Source* p, int n) {
    const F low = load_n(p, n), high = n > kWidth ? load_n(p + kWidth, n - kWidth) : zero();
    return vreinterpretq_f32_bf16(vcvtq_high_bf16_f32(vcvtq_low_bf16_f32(low), high));
  }
  // kWidth columns of the unit made of two rows: the layout of a V panel, whose inner dimension runs down the rows.
  static QAVIT_INLINE F interleave(F even, F odd) {
    const uint32x4_t low = vshrq_n_u32(rounded_bits(even), 16);
    return vreinterpretq_f32_u32(vorrq_u32(low, vreinterpretq_u32_f32(round_bf16(odd))));
  }
};
#endif

using I = int32x4_t;

QAVIT_INLINE I no_counts() { return vdupq_n_s32(0); }
QAVIT_INLINE I load_counts(const void* p) { return vld1q_s32(static_cast<const int32_t*>(p)); }
QAVIT_INLINE void store_counts(int32_t* p, I a) { vst1q_s32(p, a); }
QAVIT_INLINE I broadcast_count(const void* p) {
  int32_t word;
  std::memcpy(&word, p, sizeof word);
  return vdupq_n_s32(word);
}
QAVIT_INLINE F to_floats(I a) { return vcvtq_f32_s32(a); }
QAVIT_INLINE I subtract_product(I c, I a, I b) { return vmlsq_s32(c, a, b); }
QAVIT_INLINE I opaque(I a) {
  __asm__("" : "+w"(a));
  return a;
}

#if QAVIT_DOT
// sdot: four signed bytes times four signed ones, added to 32 bits. Levels are unsigned: 128 less fits.
struct Int8Product {
  static constexpr int kRowWords = 1;
  static constexpr int kLevelOffset = 128;
  static QAVIT_INLINE RowElement row(const float* word) { return row_element(word); }
  static QAVIT_INLINE I column(const int8_t* unit, int /*word*/) { return vreinterpretq_s32_s8(vld1q_s8(unit)); }
  static QAVIT_INLINE void arrange(float* /*unit*/) {}
  static QAVIT_INLINE I madd(I row, I column, I c) {
    return vdotq_s32(c, vreinterpretq_s8_s32(column), vreinterpretq_s8_s32(row));
  }
  static QAVIT_INLINE I madd(RowElement row, I column, I c) {
    return vdotq_lane_s32(c, vreinterpretq_s8_s32(column), vreinterpret_s8_f32(row), 0);
  }
  static QAVIT_INLINE F pack(const F (&levels)[4]) {
    int16x8_t halves[2];
    QAVIT_UNROLL
    for (int i = 0; i < 2; ++i) {
      const int16x4_t low = vmovn_s32(vcvtq_s32_f32(levels[2 * i]));
      halves[i] = vmovn_high_s32(low, vcvtq_s32_f32(levels[2 * i + 1]));
    }
    const uint8x16_t bytes = vreinterpretq_u8_s8(vmovn_high_s16(vmovn_s16(halves[0]), halves[1]));
    return vreinterpretq_f32_u8(veorq_u8(bytes, vdupq_n_u8(0x80)));  // less 128, as signed bytes
  }
};
#else
// One element a word, multiplied as 32 bits: a processor without sdot has nothing that multiplies more at a time.
struct Int8Product {
  static constexpr int kRowWords = 4;
  static constexpr int kLevelOffset = 0;
  static QAVIT_INLINE I row(const float* word) { return broadcast_count(word); }
  static QAVIT_INLINE I column(const int8_t* unit, int word) {
    int32_t four;
    std::memcpy(&four, unit + word * kWidth, sizeof four);
    return vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(static_cast<uint32_t>(four)))));
  }
  static QAVIT_INLINE void arrange(float* unit) {
    const uint8_t transposed[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
    const uint8x16_t bytes = vreinterpretq_u8_f32(load(unit));
    store(unit, vreinterpretq_f32_u8(vqtbl1q_u8(bytes, vld1q_u8(transposed))));
  }
  static QAVIT_INLINE I madd(I row, I column, I c) { return vmlaq_s32(c, row, column); }
  static QAVIT_INLINE F pack(const F (&levels)[1]) { return vreinterpretq_f32_s32(vcvtq_s32_f32(levels[0])); }
};
#endif
