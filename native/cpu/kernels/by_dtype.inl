// The kernels of matrix products that are chosen by the product's dtype.

void pack_weight(const WeightPanel& w) {
  if (w.dtype == DType::kInt8) return pack_int8_weight(w);
  w.dtype == DType::kBF16 ? pack_float_weight<Bf16Product>(w) : pack_float_weight<F32Product>(w);
}

void pack_rows(const RowTile& t) {
  if (t.dtype == DType::kInt8) return pack_int8_rows(t);
  t.dtype == DType::kBF16 ? pack_rows_from<Bf16Product>(t) : pack_rows_from<F32Product>(t);
}

void gemm_block(const GemmBlock& g) {
  if (g.dtype == DType::kInt8) return gemm_block_as<Int8Multiply>(g);
  g.dtype == DType::kBF16 ? gemm_block_as<FloatMultiply<Bf16Product>>(g) : gemm_block_as<FloatMultiply<F32Product>>(g);
}

float multiply_registers(DType product, int64_t rounds) {
  if (product == DType::kInt8) return count_registers(rounds);
  return product == DType::kBF16 ? multiply_registers_as<Bf16Product>(rounds)
                                 : multiply_registers_as<F32Product>(rounds);
}
