// Operand formats of a matrix product that multiplies f32. For bf16 without a bf16 multiplier (QAVIT_BF16_PAIRS 0), a
// column stays bf16 in memory and is widened as it is read; a row operand is rounded to bf16 but kept as f32. The
// product of two bf16 is exact in f32, so only the order of additions differs from a true bf16 multiplier.

struct F32Product {
  static constexpr int kPerUnit = 1;
  using Element = float;
  static QAVIT_INLINE RowElement row(const float* p) { return row_element(p); }
  static QAVIT_INLINE F column(const float* p) { return load(p); }
  template <typename Row>
  static QAVIT_INLINE F madd(Row a, F b, F c) {
    return fma(a, b, c);
  }
  template <typename Source>
  static QAVIT_INLINE F units(const Source* p, int n) {
    return load_n(p, n);
  }
};

#if !QAVIT_BF16_PAIRS
struct Bf16Product {
  static constexpr int kPerUnit = 1;
  using Element = uint16_t;
  static QAVIT_INLINE RowElement row(const float* p) { return row_element(p); }
  static QAVIT_INLINE F column(const uint16_t* p) { return load(p); }
  template <typename Row>
  static QAVIT_INLINE F madd(Row a, F b, F c) {
    return fma(a, b, c);
  }
  static QAVIT_INLINE F units(const uint16_t* p, int n) { return load_n(p, n); }
  static QAVIT_INLINE F units(const uint8_t* p, int n) { return load_n(p, n); }
  template <typename Source>
  static QAVIT_INLINE F units(const Source* p, int n) {
    return round_bf16(load_n(p, n));
  }
};
#endif
