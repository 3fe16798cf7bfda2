// Four floats in portable C++: what every processor runs. The names are explained in simd_avx512.h. With gcc and clang
// the vectors are the compilers' own; elsewhere a struct whose loops the compiler may or may not vectorise.
#pragma once

constexpr int kWidth = 4;
constexpr int64_t kTaskRows = 336;
constexpr int kTileRows = 4;  // 4 x 8: 8 accumulators, two columns and one broadcast in 16 registers
constexpr int kUnitsUnrolled = 1;
constexpr int64_t kUnitsAhead = 16;

#if defined(__GNUC__)
typedef float F __attribute__((vector_size(16)));
typedef int32_t M __attribute__((vector_size(16)));
typedef uint32_t U __attribute__((vector_size(16)));

QAVIT_INLINE F set1(float x) { return F{x, x, x, x}; }
QAVIT_INLINE F add(F a, F b) { return a + b; }
QAVIT_INLINE F sub(F a, F b) { return a - b; }
QAVIT_INLINE F mul(F a, F b) { return a * b; }
QAVIT_INLINE F div(F a, F b) { return a / b; }
QAVIT_INLINE F fma(F a, F b, F c) { return a * b + c; }
QAVIT_INLINE M less(F a, F b) { return a < b; }
QAVIT_INLINE U bits_of(F a) { return reinterpret_cast<U>(a); }
QAVIT_INLINE F floats_of(U a) { return reinterpret_cast<F>(a); }
QAVIT_INLINE F select(M m, F yes, F no) {
  const U mask = reinterpret_cast<U>(m);
  return floats_of((bits_of(yes) & mask) | (bits_of(no) & ~mask));
}
#else
struct F {
  float lane[4];
  float operator[](int i) const { return lane[i]; }
};
struct U {
  uint32_t lane[4];
};
using M = U;

template <typename Op>
QAVIT_INLINE F map(F a, F b, Op op) {
  return F{{op(a.lane[0], b.lane[0]), op(a.lane[1], b.lane[1]), op(a.lane[2], b.lane[2]), op(a.lane[3], b.lane[3])}};
}
template <typename Op>
QAVIT_INLINE U map(U a, U b, Op op) {
  return U{{op(a.lane[0], b.lane[0]), op(a.lane[1], b.lane[1]), op(a.lane[2], b.lane[2]), op(a.lane[3], b.lane[3])}};
}
QAVIT_INLINE F set1(float x) { return F{{x, x, x, x}}; }
QAVIT_INLINE F add(F a, F b) {
  return map(a, b, [](float x, float y) { return x + y; });
}
QAVIT_INLINE F sub(F a, F b) {
  return map(a, b, [](float x, float y) { return x - y; });
}
QAVIT_INLINE F mul(F a, F b) {
  return map(a, b, [](float x, float y) { return x * y; });
}
QAVIT_INLINE F div(F a, F b) {
  return map(a, b, [](float x, float y) { return x / y; });
}
QAVIT_INLINE F fma(F a, F b, F c) { return add(mul(a, b), c); }
QAVIT_INLINE U bits_of(F a) {
  U u;
  std::memcpy(&u, &a, sizeof u);
  return u;
}
QAVIT_INLINE F floats_of(U u) {
  F a;
  std::memcpy(&a, &u, sizeof a);
  return a;
}
QAVIT_INLINE U splat(uint32_t x) { return U{{x, x, x, x}}; }
QAVIT_INLINE U operator&(U a, U b) {
  return map(a, b, [](uint32_t x, uint32_t y) { return x & y; });
}
QAVIT_INLINE U operator|(U a, U b) {
  return map(a, b, [](uint32_t x, uint32_t y) { return x | y; });
}
QAVIT_INLINE U operator+(U a, U b) {
  return map(a, b, [](uint32_t x, uint32_t y) { return x + y; });
}
QAVIT_INLINE U operator-(U a, U b) {
  return map(a, b, [](uint32_t x, uint32_t y) { return x - y; });
}
QAVIT_INLINE U operator~(U a) {
  return map(a, a, [](uint32_t x, uint32_t) { return ~x; });
}
QAVIT_INLINE U operator&(U a, uint32_t b) { return a & splat(b); }
QAVIT_INLINE U operator|(U a, uint32_t b) { return a | splat(b); }
QAVIT_INLINE U operator+(U a, uint32_t b) { return a + splat(b); }
QAVIT_INLINE U operator-(U a, uint32_t b) { return a - splat(b); }
QAVIT_INLINE U operator<<(U a, int n) {
  return map(a, splat(uint32_t(n)), [](uint32_t x, uint32_t y) { return x << y; });
}
QAVIT_INLINE U operator>>(U a, int n) {
  return map(a, splat(uint32_t(n)), [](uint32_t x, uint32_t y) { return x >> y; });
}
QAVIT_INLINE M less(F a, F b) {
  M m;
  for (int i = 0; i < 4; ++i) m.lane[i] = a.lane[i] < b.lane[i] ? 0xffffffffu : 0u;
  return m;
}
QAVIT_INLINE F select(M m, F yes, F no) { return floats_of((bits_of(yes) & m) | (bits_of(no) & ~m)); }
#endif

QAVIT_INLINE F select_negative(F a, F yes, F no) {
  const U positive = (bits_of(a) >> 31) - 1u;  // all ones, or zeros
  return floats_of((bits_of(yes) & ~positive) | (bits_of(no) & positive));
}
QAVIT_INLINE F zero() { return set1(0.0f); }
QAVIT_INLINE F max(F a, F b) { return select(less(b, a), a, b); }
QAVIT_INLINE F min(F a, F b) { return select(less(a, b), a, b); }
QAVIT_INLINE F abs(F a) { return floats_of(bits_of(a) & 0x7fffffffu); }

QAVIT_INLINE F opaque(F a) {
#if defined(__GNUC__) && defined(__x86_64__)
  __asm__("" : "+x"(a));
#elif defined(__GNUC__) && defined(__aarch64__)
  __asm__("" : "+w"(a));
#endif
  return a;
}
// Adding 1.5 * 2^23 leaves the nearest integer in the low bits of the sum; for |a| < 2^22, which is all the kernels ask
// for. Opaque, lest the addition be fused with a product before it, which would then not be rounded to f32 first.
QAVIT_INLINE F round(F a) { return sub(add(opaque(a), set1(12582912.0f)), set1(12582912.0f)); }
QAVIT_INLINE F floor(F a) {  // |a| < 2^22, as round
  const F n = round(a);
  return select(less(a, n), sub(n, set1(1.0f)), n);
}
QAVIT_INLINE F exponent_range(F t) { return min(set1(160.0f), max(set1(-160.0f), t)); }
QAVIT_INLINE F fraction(F t) { return sub(t, floor(t)); }
template <bool coarse>
QAVIT_INLINE F quotient(F a, F b) {
  return div(a, b);
}
QAVIT_INLINE F scale_exp2(F p, F t) {
  // floor(t) + 256 is positive, so that the halves need no arithmetic shift; 0x4b400000 is the bit pattern of 1.5 *
  // 2^23.
  const U shifted = bits_of(add(floor(t), set1(12582912.0f))) - (0x4b400000u - 256u);
  const U half = shifted >> 1;
  const F one = floats_of((half - 1u) << 23);  // 2^(half - 128): exponent field half - 128 + 127
  const F two = floats_of((shifted - half - 1u) << 23);
  return mul(mul(p, one), two);
}
QAVIT_INLINE float sum(F a) { return (a[0] + a[2]) + (a[1] + a[3]); }
QAVIT_INLINE float largest(F a) {
  const float x = a[0] > a[2] ? a[0] : a[2], y = a[1] > a[3] ? a[1] : a[3];
  return x > y ? x : y;
}

QAVIT_INLINE F load(const float* p) {
  F a;
  std::memcpy(&a, p, sizeof a);
  return a;
}
QAVIT_INLINE void store(float* p, F a) { std::memcpy(p, &a, sizeof a); }

QAVIT_INLINE F keep_first(F a, int n, F rest) {
  float lanes[kWidth], others[kWidth];
  store(lanes, a);
  store(others, rest);
  for (int i = n; i < kWidth; ++i) lanes[i] = others[i];
  return load(lanes);
}

template <typename T>
QAVIT_INLINE F load_lanes(const T* p, float (*convert)(T)) {
  T values[kWidth];
  std::memcpy(values, p, sizeof values);
  float lanes[kWidth];
  for (int i = 0; i < kWidth; ++i) lanes[i] = convert(values[i]);
  return load(lanes);
}
QAVIT_INLINE F load(const Half* p) {
  return load_lanes<Half>(p, [](Half h) { return f16_to_f32(static_cast<uint16_t>(h)); });
}
QAVIT_INLINE F load(const uint8_t* p) {
  return load_lanes<uint8_t>(p, [](uint8_t b) { return static_cast<float>(b); });
}
QAVIT_INLINE F load(const uint16_t* p) {
#if defined(__GNUC__)
  typedef uint16_t Narrow __attribute__((vector_size(8)));
  Narrow narrow;
  std::memcpy(&narrow, p, sizeof narrow);
  return floats_of(__builtin_convertvector(narrow, U) << 16);
#else
  return load_lanes<uint16_t>(p, [](uint16_t b) { return bf16_to_f32(b); });
#endif
}

#include "cpu/simd/two.inl"

QAVIT_INLINE Two load_two(const uint16_t* p) {
  const U pairs = bits_of(load(reinterpret_cast<const float*>(p)));
  return {{floats_of(pairs << 16), floats_of(pairs & 0xffff0000u)}};
}
QAVIT_INLINE Two in_order(uint16_t, const Two& a) {
  const F even = a.v[0], odd = a.v[1];
  return {{F{even[0], odd[0], even[1], odd[1]}, F{even[2], odd[2], even[3], odd[3]}}};
}

QAVIT_INLINE void sum_each(const F (&a)[4], float* out) {
  for (int i = 0; i < 4; ++i) out[i] = sum(a[i]);
}

QAVIT_INLINE void store(uint16_t* p, F a) {
  uint16_t narrow[kWidth];
  for (int i = 0; i < kWidth; ++i) narrow[i] = f32_to_bf16(a[i]);
  std::memcpy(p, narrow, sizeof narrow);
}
QAVIT_INLINE F round_bf16(F a) {
  float lanes[kWidth];
  for (int i = 0; i < kWidth; ++i) lanes[i] = bf16_to_f32(f32_to_bf16(a[i]));
  return load(lanes);
}

#include "cpu/simd/partial.inl"

// out[u * stride + i] = rows[i][u] for i < n.
QAVIT_INLINE void store_transposed(const F* rows, int n, float* out, int stride) {
  for (int u = 0; u < kWidth; ++u) {
    for (int i = 0; i < n; ++i) out[u * stride + i] = rows[i][u];
  }
}

using RowElement = F;
QAVIT_INLINE RowElement row_element(const float* p) { return set1(*p); }

#include "cpu/simd/products.inl"

struct I {
  int32_t lane[kWidth];
};

template <typename Op>
QAVIT_INLINE I counts_of(Op op) {
  I a;
  for (int i = 0; i < kWidth; ++i) a.lane[i] = op(i);
  return a;
}
QAVIT_INLINE I no_counts() { return I{}; }
QAVIT_INLINE I load_counts(const void* p) {
  I a;
  std::memcpy(&a, p, sizeof a);
  return a;
}
QAVIT_INLINE void store_counts(int32_t* p, I a) { std::memcpy(p, &a, sizeof a); }
QAVIT_INLINE I broadcast_count(const void* p) {
  int32_t word;
  std::memcpy(&word, p, sizeof word);
  return counts_of([word](int) { return word; });
}
QAVIT_INLINE F to_floats(I a) {
  float lanes[kWidth];
  for (int i = 0; i < kWidth; ++i) lanes[i] = static_cast<float>(a.lane[i]);
  return load(lanes);
}
QAVIT_INLINE I subtract_product(I c, I a, I b) {
  return counts_of([&](int i) { return c.lane[i] - a.lane[i] * b.lane[i]; });
}
QAVIT_INLINE I opaque(I a) {
#if defined(__GNUC__)
  __asm__("" : "+m"(a));
#endif
  return a;
}

// One element a word, multiplied as 32 bits: what every compiler knows how to vectorise.
struct Int8Product {
  static constexpr int kRowWords = 4;
  static constexpr int kLevelOffset = 0;
  static QAVIT_INLINE I row(const float* word) { return broadcast_count(word); }
  static QAVIT_INLINE I column(const int8_t* unit, int word) {
    return counts_of([=](int i) { return static_cast<int32_t>(unit[4 * i + word]); });
  }
  static QAVIT_INLINE void arrange(float* /*unit*/) {}
  static QAVIT_INLINE I madd(I row, I column, I c) {
    return counts_of([&](int i) { return c.lane[i] + row.lane[i] * column.lane[i]; });
  }
  static QAVIT_INLINE F pack(const F (&levels)[1]) {
    const I words = counts_of([&](int i) { return static_cast<int32_t>(levels[0][i]); });
    float bits[kWidth];
    std::memcpy(bits, &words, sizeof bits);
    return load(bits);
  }
};
