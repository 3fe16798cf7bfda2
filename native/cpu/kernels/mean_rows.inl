// y[r, :] = mean of rows [r * group, (r + 1) * group) of x. Rows are added from the first to the last, whatever the
// thread or the vector: a mean is the same in every run.

void mean_rows(const MeanRows& m) {
  const auto x_size = static_cast<int64_t>(dtype_size(m.x.dtype)), y_size = static_cast<int64_t>(dtype_size(m.y.dtype));
  const int64_t step = m.x.row_stride * x_size;
  const F count = set1(static_cast<float>(m.group));
  for (int64_t r = m.begin; r < m.end; ++r) {
    const char* first = m.x.at(r * m.group, 0);
    char* out = m.y.at(r, 0);
    int64_t j = 0;
    for (; j + kInStep * kWidth <= m.width; j += kInStep * kWidth) {
      Fs sum = zero();
      const char* row = first + j * x_size;
      for (int64_t i = 0; i < m.group; ++i, row += step) {
        Fs values;
        for (int k = 0; k < kInStep; ++k) values.v[k] = load_as(row + k * kWidth * x_size, m.x.dtype, kWidth);
        sum = add(sum, values);
      }
      sum = div(sum, count);
      for (int k = 0; k < kInStep; ++k) store_as(out + (j + k * kWidth) * y_size, m.y.dtype, sum.v[k], kWidth);
    }
    for (; j < m.width; j += kWidth) {
      const int n = at_most(m.width - j, kWidth);
      F sum = zero();
      const char* row = first + j * x_size;
      for (int64_t i = 0; i < m.group; ++i, row += step) sum = add(sum, load_as(row, m.x.dtype, n));
      store_as(out + j * y_size, m.y.dtype, div(sum, count), n);
    }
  }
}
