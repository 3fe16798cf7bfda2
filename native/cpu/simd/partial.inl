// Partial vectors through a small array, for instruction sets without masked access to every element size.

template <typename T>
QAVIT_INLINE F load_n(const T* p, int n) {
  if (n >= kWidth) return load(p);
  T whole[kWidth] = {};
  std::memcpy(whole, p, static_cast<size_t>(n) * sizeof(T));
  return load(whole);
}

template <typename T>
QAVIT_INLINE void store_n(T* p, F a, int n) {
  if (n >= kWidth) return store(p, a);
  T whole[kWidth];
  store(whole, a);
  std::memcpy(p, whole, static_cast<size_t>(n) * sizeof(T));
}
