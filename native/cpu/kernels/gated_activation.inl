// y[:, j] = activation(x[:, j]) * x[:, width + j].

template <Activation activation>
QAVIT_NOINLINE void gate_rows(const GatedRows& g) {
  const auto x_size = static_cast<int64_t>(dtype_size(g.x.dtype)), y_size = static_cast<int64_t>(dtype_size(g.y.dtype));
  for (int64_t r = g.begin; r < g.end; ++r) {
    const char *gate = g.x.at(r, 0), *value = g.x.at(r, g.width);
    char* out = g.y.at(r, 0);
    int64_t j = 0;
    for (; j + kInStep * kWidth <= g.width; j += kInStep * kWidth) {
      Fs a, b;
      for (int i = 0; i < kInStep; ++i) {
        a.v[i] = load_as(gate + (j + i * kWidth) * x_size, g.x.dtype, kWidth);
        b.v[i] = load_as(value + (j + i * kWidth) * x_size, g.x.dtype, kWidth);
      }
      a = mul(Activate<activation>::template of<false>(a), b);
      for (int i = 0; i < kInStep; ++i) store_as(out + (j + i * kWidth) * y_size, g.y.dtype, a.v[i], kWidth);
    }
    for (; j < g.width; j += kWidth) {
      const int n = at_most(g.width - j, kWidth);
      const F a = Activate<activation>::template of<false>(load_as(gate + j * x_size, g.x.dtype, n));
      store_as(out + j * y_size, g.y.dtype, mul(a, load_as(value + j * x_size, g.x.dtype, n)), n);
    }
  }
}

void gated_activation(const GatedRows& g) {
  switch (g.activation) {
    case Activation::kNone:
      return gate_rows<Activation::kNone>(g);
    case Activation::kRelu:
      return gate_rows<Activation::kRelu>(g);
    case Activation::kGeluErf:
      return gate_rows<Activation::kGeluErf>(g);
    case Activation::kGeluTanh:
      return gate_rows<Activation::kGeluTanh>(g);
    case Activation::kQuickGelu:
      return gate_rows<Activation::kQuickGelu>(g);
    case Activation::kSilu:
      return gate_rows<Activation::kSilu>(g);
    case Activation::kTanh:
      return gate_rows<Activation::kTanh>(g);
  }
}
