// What load_two() and in_order() of the simd/ headers share (simd_avx512.h says what they are). Floats need nothing
// else; each header adds bf16.

struct Two {
  F v[2];
};

QAVIT_INLINE Two load_two(const float* p) { return {{load(p), load(p + kWidth)}}; }
QAVIT_INLINE Two in_order(float, const Two& a) { return a; }
