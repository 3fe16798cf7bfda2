// Sixteen floats: AVX-512 F, BW, DQ, VL, BF16 where QAVIT_BF16_PAIRS is 1, VNNI where QAVIT_VNNI is. Included inside a
// target region and an anonymous namespace; see target.h. The three simd/ headers offer the same names, which the
// kernels are written in:
//
//   F             a vector of kWidth floats                     M        a lane mask
//   load, store   whole vectors; *_n touch the first n elements only (0 < n <= kWidth) and read the rest as 0
//   load_two      2 kWidth elements as two vectors: floats as they lie; bf16 those of even and those of odd places, in
//                 two instructions
//   in_order      the two as vectors of neighbours again; takes an element of the source's type, for its type alone
//   sum_each      the sum of each of four vectors
//   max, min      the second operand where either one is NaN, as the x86 instructions do: max(bound, x) keeps a NaN x
//   select_negative  `yes` where the sign bit is set
//   exponent_range  the nearest number that fraction and scale_exp2 take
//   fraction      t - floor(t), in [0, 1]           scale_exp2   p * 2^floor(t), in [1, 2) times a power; overflows to
//                 infinity, underflows to 0, where AVX2 has no subnormal numbers
//   quotient      a / b; `coarse`: to a relative error of at most 2^-14, where an instruction gives that
//   row_element   a float that is multiplied with whole vectors, in the form that multiplications take it (RowElement)
//   opaque        a value the compiler knows nothing about
//   F32Product    operand formats of a matrix product in f32; Bf16Product: the same in bf16. Both have
//     kPerUnit    elements of the inner dimension per unit: 1, or 2 where one instruction multiplies pairs
//     Element     what a unit of one packed column is stored as
//     row         one unit of a packed row, for all columns
//     column      kWidth columns of one unit          madd        c + a * b
//     units       kWidth units (n elements are read) of a row of the source type, as packed into the row operand; exact
//     or rounded
//                 to nearest even where the product is bf16
//   I             kWidth 32-bit counts; subtract_product is c - a * b
//   Int8Product   the product in int8, see int8.inl and kernels.h
//     kRowWords   32-bit words that a unit of four elements takes in a packed row
//     kLevelOffset   what a packed level is less than the level
//     row         a word of the row, for all columns      column   what a word meets in kWidth columns of a unit
//     madd        c + the products of a word              pack     kWidth words of levels (integers in [0, 255])
//     arrange     a unit of kWidth columns, from four bytes a column to the order that `column` reads
#pragma once

using F = __m512;
using M = __mmask16;
constexpr int kWidth = 16;
constexpr int kTileRows = 14;  // 14 x 32: 28 accumulators, two columns and one broadcast in 32 registers
// Of 1,024 units: 1.4 MB, which stream from the caches at a tenth of their bandwidth.
constexpr int64_t kTaskRows = 336;
constexpr int kUnitsUnrolled = 1;
constexpr int64_t kUnitsAhead = 64;  // 900 cycles with two 512-bit multipliers, 1,800 with one

QAVIT_INLINE F zero() { return _mm512_setzero_ps(); }
QAVIT_INLINE F set1(float x) { return _mm512_set1_ps(x); }
QAVIT_INLINE F add(F a, F b) { return _mm512_add_ps(a, b); }
QAVIT_INLINE F sub(F a, F b) { return _mm512_sub_ps(a, b); }
QAVIT_INLINE F mul(F a, F b) { return _mm512_mul_ps(a, b); }
QAVIT_INLINE F div(F a, F b) { return _mm512_div_ps(a, b); }
QAVIT_INLINE F max(F a, F b) { return _mm512_max_ps(a, b); }
QAVIT_INLINE F min(F a, F b) { return _mm512_min_ps(a, b); }
QAVIT_INLINE F abs(F a) { return _mm512_abs_ps(a); }
QAVIT_INLINE F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
QAVIT_INLINE M less(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
QAVIT_INLINE F select(M m, F yes, F no) { return _mm512_mask_mov_ps(no, m, yes); }
QAVIT_INLINE F select_negative(F a, F yes, F no) {
  return _mm512_mask_mov_ps(no, _mm512_movepi32_mask(_mm512_castps_si512(a)), yes);
}
QAVIT_INLINE F round(F a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
QAVIT_INLINE F floor(F a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
QAVIT_INLINE F exponent_range(F t) { return t; }  // infinities have the fraction 0
QAVIT_INLINE F fraction(F t) { return _mm512_reduce_ps(t, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
QAVIT_INLINE F scale_exp2(F p, F t) { return _mm512_scalef_ps(p, t); }
template <bool coarse>
QAVIT_INLINE F quotient(F a, F b) {
  return coarse ? mul(a, _mm512_rcp14_ps(b)) : div(a, b);
}
QAVIT_INLINE F opaque(F a) {
  __asm__("" : "+v"(a));
  return a;
}
QAVIT_INLINE float sum(F a) { return _mm512_reduce_add_ps(a); }
QAVIT_INLINE float largest(F a) { return _mm512_reduce_max_ps(a); }

QAVIT_INLINE M first(int n) { return n >= 16 ? static_cast<M>(0xffff) : static_cast<M>((1u << n) - 1u); }
QAVIT_INLINE F keep_first(F a, int n, F rest) { return _mm512_mask_mov_ps(rest, first(n), a); }

QAVIT_INLINE F load(const float* p) { return _mm512_loadu_ps(p); }
QAVIT_INLINE F load_n(const float* p, int n) { return _mm512_maskz_loadu_ps(first(n), p); }
QAVIT_INLINE void store(float* p, F a) { _mm512_storeu_ps(p, a); }
QAVIT_INLINE void store_n(float* p, F a, int n) { _mm512_mask_storeu_ps(p, first(n), a); }

QAVIT_INLINE F widen(__m256i bf16) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bf16), 16)); }
QAVIT_INLINE F load(const uint16_t* p) { return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
QAVIT_INLINE F load_n(const uint16_t* p, int n) { return widen(_mm256_maskz_loadu_epi16(first(n), p)); }

#include "cpu/simd/two.inl"

QAVIT_INLINE Two load_two(const uint16_t* p) {
  const __m512i pairs = _mm512_loadu_si512(p);
  return {{_mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)),
           _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xffff0000u))))}};
}
QAVIT_INLINE Two in_order(uint16_t, const Two& a) {
  const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
  return {{_mm512_permutex2var_ps(a.v[0], low, a.v[1]), _mm512_permutex2var_ps(a.v[0], high, a.v[1])}};
}

QAVIT_INLINE void sum_each(const F (&a)[4], float* out) {
  const __m512d low = _mm512_castps_pd(add(_mm512_unpacklo_ps(a[0], a[1]), _mm512_unpackhi_ps(a[0], a[1])));
  const __m512d high = _mm512_castps_pd(add(_mm512_unpacklo_ps(a[2], a[3]), _mm512_unpackhi_ps(a[2], a[3])));
  // Every quarter holds its part of the four sums.
  const __m512 sums =
      add(_mm512_castpd_ps(_mm512_unpacklo_pd(low, high)), _mm512_castpd_ps(_mm512_unpackhi_pd(low, high)));
  const __m256 halves = _mm256_add_ps(_mm512_castps512_ps256(sums), _mm512_extractf32x8_ps(sums, 1));
  _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps(halves, 1)));
}

// f32 bits to bf16 bits in the upper half, to nearest even; a NaN is made quiet so that the carry cannot turn it into
// infinity.
QAVIT_INLINE __m512i rounded_bits(F a) {
  const __m512i bits = _mm512_castps_si512(a);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i even = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  return _mm512_mask_mov_epi32(even, _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), quiet);
}
QAVIT_INLINE F round_bf16(F a) {
  return _mm512_castsi512_ps(_mm512_and_si512(rounded_bits(a), _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
}
#if QAVIT_BF16_PAIRS
// gcc and clang differ in what a vector of bf16 may be cast to; its bytes are the same.
QAVIT_INLINE __m256i to_bf16(F a) {
  const __m256bh narrow = _mm512_cvtneps_pbh(a);
  __m256i bits;
  std::memcpy(&bits, &narrow, sizeof bits);
  return bits;
}
#else
QAVIT_INLINE __m256i to_bf16(F a) { return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded_bits(a), 16)); }
#endif
QAVIT_INLINE void store(uint16_t* p, F a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_bf16(a)); }
QAVIT_INLINE void store_n(uint16_t* p, F a, int n) { _mm256_mask_storeu_epi16(p, first(n), to_bf16(a)); }

QAVIT_INLINE F load_n(const Half* p, int n) { return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first(n), p)); }
QAVIT_INLINE F load_n(const uint8_t* p, int n) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(first(n), p)));
}

// out[u * stride + i] = rows[i][u] for i < n: kWidth units of n rows, transposed. Writes nothing else.
QAVIT_INLINE void store_transposed(const F* rows, int n, float* out, int stride) {
  __m512 a[16], b[16];
  QAVIT_UNROLL
  for (int i = 0; i < 8; ++i) {
    a[2 * i] = _mm512_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
    a[2 * i + 1] = _mm512_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
  }
  QAVIT_UNROLL
  for (int i = 0; i < 4; ++i) {
    const __m512d p = _mm512_castps_pd(a[4 * i]), q = _mm512_castps_pd(a[4 * i + 2]);
    const __m512d r = _mm512_castps_pd(a[4 * i + 1]), s = _mm512_castps_pd(a[4 * i + 3]);
    b[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(p, q));
    b[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(p, q));
    b[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(r, s));
    b[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(r, s));
  }
  // b[4 * i + j] holds, in its four quarters q, unit 4 * q + j of rows 4 * i .. 4 * i + 3.
  const M mask = first(n);
  QAVIT_UNROLL
  for (int j = 0; j < 4; ++j) {
    const __m512 even01 = _mm512_shuffle_f32x4(b[j], b[4 + j], 0x88),
                 even23 = _mm512_shuffle_f32x4(b[8 + j], b[12 + j], 0x88);
    const __m512 odd01 = _mm512_shuffle_f32x4(b[j], b[4 + j], 0xdd),
                 odd23 = _mm512_shuffle_f32x4(b[8 + j], b[12 + j], 0xdd);
    _mm512_mask_storeu_ps(out + j * stride, mask, _mm512_shuffle_f32x4(even01, even23, 0x88));
    _mm512_mask_storeu_ps(out + (4 + j) * stride, mask, _mm512_shuffle_f32x4(odd01, odd23, 0x88));
    _mm512_mask_storeu_ps(out + (8 + j) * stride, mask, _mm512_shuffle_f32x4(even01, even23, 0xdd));
    _mm512_mask_storeu_ps(out + (12 + j) * stride, mask, _mm512_shuffle_f32x4(odd01, odd23, 0xdd));
  }
}

using RowElement = F;
QAVIT_INLINE RowElement row_element(const float* p) { return set1(*p); }

#include "cpu/simd/products.inl"

#if QAVIT_BF16_PAIRS
// A unit is two consecutive bf16 elements in 32 bits; vdpbf16ps adds both products to an f32.
struct Bf16Product {
  static constexpr int kPerUnit = 2;
  using Element = float;
  static QAVIT_INLINE RowElement row(const float* p) { return row_element(p); }
  static QAVIT_INLINE F column(const float* p) { return load(p); }
  static QAVIT_INLINE F madd(F a, F b, F c) {
    __m512bh pairs_a, pairs_b;
    std::memcpy(&pairs_a, &a, sizeof a);
    std::memcpy(&pairs_b, &b, sizeof b);
    return _mm512_dpbf16_ps(c, pairs_a, pairs_b);
  }
  static QAVIT_INLINE F units(const uint16_t* p, int n) {
    const __mmask32 mask = n >= 32 ? 0xffffffffu : (1u << n) - 1u;
    return _mm512_castsi512_ps(_mm512_maskz_loadu_epi16(mask, p));
  }
  template <typename Source>
  static QAVIT_INLINE F units(const Source* p, int n) {
    const F low = load_n(p, n), high = n > 16 ? load_n(p + 16, n - 16) : zero();
    const __m512bh pairs = _mm512_cvtne2ps_pbh(high, low);
    F bits;
    std::memcpy(&bits, &pairs, sizeof bits);
    return bits;
  }
  // kWidth columns of the unit made of two rows: the layout of a V panel, whose inner dimension runs down the rows.
  static QAVIT_INLINE F interleave(F even, F odd) {
    const __m512i low = _mm512_srli_epi32(_mm512_castps_si512(round_bf16(even)), 16);
    return _mm512_castsi512_ps(_mm512_or_si512(low, _mm512_castps_si512(round_bf16(odd))));
  }
};
#endif

using I = __m512i;

QAVIT_INLINE I no_counts() { return _mm512_setzero_si512(); }
QAVIT_INLINE I load_counts(const void* p) { return _mm512_loadu_si512(p); }
QAVIT_INLINE void store_counts(int32_t* p, I a) { _mm512_storeu_si512(p, a); }
QAVIT_INLINE I broadcast_count(const void* p) {
  int32_t word;
  std::memcpy(&word, p, sizeof word);
  return _mm512_set1_epi32(word);
}
QAVIT_INLINE F to_floats(I a) { return _mm512_cvtepi32_ps(a); }
QAVIT_INLINE I subtract_product(I c, I a, I b) { return _mm512_sub_epi32(c, _mm512_mullo_epi32(a, b)); }
QAVIT_INLINE I opaque(I a) {
  __asm__("" : "+v"(a));
  return a;
}

struct Int8Product {
  static constexpr int kLevelOffset = 0;
  static QAVIT_INLINE I row(const float* word) { return broadcast_count(word); }
#if QAVIT_VNNI
  // vpdpbusd: four unsigned bytes times four signed ones, added to 32 bits.
  static constexpr int kRowWords = 1;
  static QAVIT_INLINE I column(const int8_t* unit, int /*word*/) { return load_counts(unit); }
  static QAVIT_INLINE void arrange(float* /*unit*/) {}
  static QAVIT_INLINE I madd(I row, I column, I c) { return _mm512_dpbusd_epi32(c, row, column); }
  static QAVIT_INLINE F pack(const F (&levels)[4]) {
    __m128i bytes[4];
    QAVIT_UNROLL
    for (int i = 0; i < 4; ++i) bytes[i] = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(levels[i]));
    const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(bytes[0]), bytes[1], 1);
    const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(bytes[2]), bytes[3], 1);
    return _mm512_castsi512_ps(_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1));
  }
#else
  // vpmaddwd: pairs of 16 bits, which is wide enough for levels and bytes; vpmaddubsw would saturate.
  static constexpr int kRowWords = 2;
  static QAVIT_INLINE I column(const int8_t* unit, int word) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(unit + word * 2 * kWidth)));
  }
  static QAVIT_INLINE void arrange(float* unit) {
    const I pairs = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
    const I halves = _mm512_shuffle_epi8(_mm512_castps_si512(load(unit)), pairs);
    const I order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    store(unit, _mm512_castsi512_ps(_mm512_permutexvar_epi64(order, halves)));
  }
  // Opaque for the reason given in simd_avx2.h.
  static QAVIT_INLINE I madd(I row, I column, I c) {
    return opaque(_mm512_add_epi32(c, _mm512_madd_epi16(row, column)));
  }
  static QAVIT_INLINE F pack(const F (&levels)[2]) {
    const __m256i low = _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(levels[0]));
    const __m256i high = _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(levels[1]));
    return _mm512_castsi512_ps(_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1));
  }
#endif
};
