// Eight floats: AVX2, FMA and F16C. The names are explained in simd_avx512.h. AVX2 has no cheap masked access to 8- and
// 16-bit elements, so partial vectors travel through a small array.
#pragma once

using F = __m256;
using M = __m256;
constexpr int kWidth = 8;
constexpr int kTileRows = 6;  // 6 x 16: 12 accumulators, two columns and one broadcast in 16 registers
// A task's first tile waits for each panel, 64 KiB in the time of six rows: the more rows follow, the less that counts.
constexpr int64_t kTaskRows = 600;
constexpr int kUnitsUnrolled = 4;
constexpr int64_t kUnitsAhead = 64;  // 380 cycles

QAVIT_INLINE F zero() { return _mm256_setzero_ps(); }
QAVIT_INLINE F set1(float x) { return _mm256_set1_ps(x); }
QAVIT_INLINE F add(F a, F b) { return _mm256_add_ps(a, b); }
QAVIT_INLINE F sub(F a, F b) { return _mm256_sub_ps(a, b); }
QAVIT_INLINE F mul(F a, F b) { return _mm256_mul_ps(a, b); }
QAVIT_INLINE F div(F a, F b) { return _mm256_div_ps(a, b); }
QAVIT_INLINE F max(F a, F b) { return _mm256_max_ps(a, b); }
QAVIT_INLINE F min(F a, F b) { return _mm256_min_ps(a, b); }
QAVIT_INLINE F abs(F a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
QAVIT_INLINE F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
QAVIT_INLINE M less(F a, F b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
QAVIT_INLINE F select(M m, F yes, F no) { return _mm256_blendv_ps(no, yes, m); }
QAVIT_INLINE F round(F a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
QAVIT_INLINE F select_negative(F a, F yes, F no) { return _mm256_blendv_ps(no, yes, a); }

QAVIT_INLINE F floor(F a) { return _mm256_floor_ps(a); }
QAVIT_INLINE F exponent_range(F t) { return min(set1(128.0f), max(set1(-127.0f), t)); }
QAVIT_INLINE F fraction(F t) { return sub(t, floor(t)); }
template <bool coarse>
QAVIT_INLINE F quotient(F a, F b) {
  return div(a, b);
}
// Adding 1.5 * 2^23 leaves floor(t) in the low bits of the sum, and with 127 more an exponent as it is stored: 0, the
// number 0, for -127, and 255, infinity, for 128.
QAVIT_INLINE F scale_exp2(F p, F t) {
  const __m256i exponent = _mm256_castps_si256(add(floor(t), set1(12582912.0f + 127.0f)));
  return mul(p, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
}
QAVIT_INLINE F opaque(F a) {
  __asm__("" : "+x"(a));
  return a;
}
QAVIT_INLINE float sum(F a) {
  __m128 x = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  x = _mm_add_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}
QAVIT_INLINE float largest(F a) {
  __m128 x = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  x = _mm_max_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}

QAVIT_INLINE M first(int n) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(n), lanes));
}
QAVIT_INLINE F keep_first(F a, int n, F rest) { return select(first(n), a, rest); }

QAVIT_INLINE F load(const float* p) { return _mm256_loadu_ps(p); }
QAVIT_INLINE void store(float* p, F a) { _mm256_storeu_ps(p, a); }
QAVIT_INLINE F widen(__m128i bf16) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bf16), 16)); }
QAVIT_INLINE F load(const uint16_t* p) { return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
QAVIT_INLINE F load(const Half* p) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
QAVIT_INLINE F load(const uint8_t* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}

#include "cpu/simd/two.inl"

QAVIT_INLINE Two load_two(const uint16_t* p) {
  const __m256i pairs = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return {{_mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)),
           _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xffff0000u))))}};
}
QAVIT_INLINE Two in_order(uint16_t, const Two& a) {
  const __m256 low = _mm256_unpacklo_ps(a.v[0], a.v[1]), high = _mm256_unpackhi_ps(a.v[0], a.v[1]);
  return {{_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31)}};
}

QAVIT_INLINE void sum_each(const F (&a)[4], float* out) {
  const __m256 sums = _mm256_hadd_ps(_mm256_hadd_ps(a[0], a[1]), _mm256_hadd_ps(a[2], a[3]));
  _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps(sums, 1)));
}

// See rounded_bits in simd_avx512.h.
QAVIT_INLINE __m256i rounded_bits(F a) {
  const __m256i bits = _mm256_castps_si256(a);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i even = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
  return _mm256_blendv_epi8(even, quiet, is_nan);
}
QAVIT_INLINE F round_bf16(F a) {
  return _mm256_castsi256_ps(_mm256_and_si256(rounded_bits(a), _mm256_set1_epi32(static_cast<int>(0xffff0000u))));
}
QAVIT_INLINE void store(uint16_t* p, F a) {
  const __m256i upper = _mm256_srli_epi32(rounded_bits(a), 16);
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(upper, upper), 0x08);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(packed));
}

#include "cpu/simd/partial.inl"

QAVIT_INLINE void store_6(float* p, F a) {
  _mm_storeu_ps(p, _mm256_castps256_ps128(a));
  _mm_storel_pi(reinterpret_cast<__m64*>(p + 4), _mm256_extractf128_ps(a, 1));
}

// out[u * stride + i] = rows[i][u] for i < n.
QAVIT_INLINE void store_transposed(const F* rows, int n, float* out, int stride) {
  __m256 a[8], b[8];
  QAVIT_UNROLL
  for (int i = 0; i < 4; ++i) {
    a[2 * i] = _mm256_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
    a[2 * i + 1] = _mm256_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
  }
  QAVIT_UNROLL
  for (int i = 0; i < 2; ++i) {
    b[4 * i] = _mm256_shuffle_ps(a[4 * i], a[4 * i + 2], 0x44);
    b[4 * i + 1] = _mm256_shuffle_ps(a[4 * i], a[4 * i + 2], 0xee);
    b[4 * i + 2] = _mm256_shuffle_ps(a[4 * i + 1], a[4 * i + 3], 0x44);
    b[4 * i + 3] = _mm256_shuffle_ps(a[4 * i + 1], a[4 * i + 3], 0xee);
  }
  QAVIT_UNROLL
  for (int j = 0; j < 4; ++j) {
    const F low = _mm256_permute2f128_ps(b[j], b[4 + j], 0x20), high = _mm256_permute2f128_ps(b[j], b[4 + j], 0x31);
    if (n == kWidth) {
      store(out + j * stride, low);
      store(out + (4 + j) * stride, high);
    } else if (n == 6) {  // the tallest tile
      store_6(out + j * stride, low);
      store_6(out + (4 + j) * stride, high);
    } else {
      store_n(out + j * stride, low, n);
      store_n(out + (4 + j) * stride, high, n);
    }
  }
}

using RowElement = F;
QAVIT_INLINE RowElement row_element(const float* p) { return set1(*p); }

#include "cpu/simd/products.inl"

using I = __m256i;

QAVIT_INLINE I no_counts() { return _mm256_setzero_si256(); }
QAVIT_INLINE I load_counts(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
QAVIT_INLINE void store_counts(int32_t* p, I a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a); }
QAVIT_INLINE I broadcast_count(const void* p) {
  int32_t word;
  std::memcpy(&word, p, sizeof word);
  return _mm256_set1_epi32(word);
}
QAVIT_INLINE F to_floats(I a) { return _mm256_cvtepi32_ps(a); }
QAVIT_INLINE I subtract_product(I c, I a, I b) { return _mm256_sub_epi32(c, _mm256_mullo_epi32(a, b)); }
QAVIT_INLINE I opaque(I a) {
  __asm__("" : "+x"(a));
  return a;
}

// vpmaddwd: pairs of 16 bits, which is wide enough for levels and bytes; vpmaddubsw would saturate.
struct Int8Product {
  static constexpr int kRowWords = 2;
  static constexpr int kLevelOffset = 0;
  static QAVIT_INLINE I row(const float* word) { return broadcast_count(word); }
  static QAVIT_INLINE I column(const int8_t* unit, int word) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(unit + word * 2 * kWidth)));
  }
  static QAVIT_INLINE void arrange(float* unit) {
    const I pairs = _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15,  //
                                     0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    const I halves = _mm256_shuffle_epi8(_mm256_castps_si256(load(unit)), pairs);
    store(unit, _mm256_castsi256_ps(_mm256_permute4x64_epi64(halves, 0xd8)));
  }
  // Opaque, because a compiler may add up the products of both words first, which takes more registers than there are:
  // every sum then goes through memory (70% of peak instead of 85%).
  static QAVIT_INLINE I madd(I row, I column, I c) {
    return opaque(_mm256_add_epi32(c, _mm256_madd_epi16(row, column)));
  }
  static QAVIT_INLINE F pack(const F (&levels)[2]) {
    const I low = _mm256_cvtps_epi32(levels[0]), high = _mm256_cvtps_epi32(levels[1]);
    // packus works within halves: 0 2 1 3 in quarters.
    return _mm256_castsi256_ps(_mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xd8));
  }
};
