// Copies of rows between f32 and bf16 (to nearest even). Same dtype: the bytes.

template <typename Source, typename Target>
QAVIT_INLINE void convert_as(const void* from, void* to, int64_t n) {
  const Source* x = static_cast<const Source*>(from);
  Target* y = static_cast<Target*>(to);
  for (int64_t j = 0; j < n; j += kWidth) {
    const int valid = at_most(n - j, kWidth);
    store_n(y + j, load_n(x + j, valid), valid);
  }
}

void convert(const void* from, DType from_dtype, void* to, DType to_dtype, int64_t n) {
  if (from_dtype == to_dtype) {
    std::memcpy(to, from, static_cast<size_t>(n) * dtype_size(from_dtype));
  } else if (from_dtype == DType::kBF16) {
    convert_as<uint16_t, float>(from, to, n);
  } else {
    convert_as<float, uint16_t>(from, to, n);
  }
}
