#include "operands.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>

#include "cuda/device/types.cuh"

namespace qavit::cuda::test {

double get(const void* data, DType dtype, int64_t i) {
  if (dtype == DType::kBF16) return to_float(static_cast<const bf16*>(data)[i]);
  if (dtype == DType::kF16) return to_float(static_cast<const f16*>(data)[i]);
  return static_cast<const float*>(data)[i];
}

void put(void* data, DType dtype, int64_t i, double value) {
  const auto narrow = static_cast<float>(value);
  if (dtype == DType::kBF16) {
    static_cast<bf16*>(data)[i] = from_float<bf16>(narrow);
  } else if (dtype == DType::kF16) {
    static_cast<f16*>(data)[i] = from_float<f16>(narrow);
  } else {
    static_cast<float*>(data)[i] = narrow;
  }
}

double uniform() {
  static std::mt19937 bits(7);
  return static_cast<double>(bits()) / 2147483648.0 - 1;
}

void Free::operator()(void* memory) const { std::free(memory); }

Memory allocate(size_t bytes) {
  void* memory = nullptr;
  return Memory(posix_memalign(&memory, 256, bytes) == 0 ? memory : nullptr);
}

Tensor::Tensor(DType dtype, int64_t batch, int64_t rows, int64_t cols, const Layout& layout) {
  view.dtype = dtype;
  view.batch = batch;
  view.rows = rows;
  view.cols = cols;
  view.row_stride = cols + layout.padding;
  view.batch_stride = rows * view.row_stride + layout.batch_padding;
  elements_ = layout.offset + batch * view.batch_stride;
  memory_ = allocate(static_cast<size_t>(elements_) * dtype_size(dtype));
  for (int64_t i = 0; i < elements_; ++i) put(memory_.get(), dtype, i, std::numeric_limits<double>::quiet_NaN());
  view.data = static_cast<char*>(memory_.get()) + static_cast<size_t>(layout.offset) * dtype_size(dtype);
}

void Tensor::fill_uniform() {
  for (int64_t b = 0; b < view.batch; ++b) {
    for (int64_t r = 0; r < view.rows; ++r) {
      for (int64_t c = 0; c < view.cols; ++c) set(b, r, c, uniform());
    }
  }
}

int64_t Tensor::numbers() const {
  int64_t count = 0;
  for (int64_t i = 0; i < elements_; ++i) count += std::isnan(get(memory_.get(), view.dtype, i)) ? 0 : 1;
  return count;
}

TestWeight matrix(DType dtype, int64_t groups, int64_t out, int64_t in) {
  TestWeight m;
  m.weight.role = WeightRole::kMatrix;
  m.weight.dtype = dtype;
  m.weight.shape = {groups, out, in};
  m.weight.leading = (in + kMatrixRowMultiple - 1) / kMatrixRowMultiple * kMatrixRowMultiple;
  m.memory = allocate(static_cast<size_t>(groups * out * m.weight.leading) * dtype_size(dtype));
  m.weight.data = m.memory.get();
  const double scale = 2 / std::sqrt(static_cast<double>(in));  // results of the size of the operands
  for (int64_t r = 0; r < groups * out; ++r) {
    for (int64_t i = 0; i < m.weight.leading; ++i) {
      put(m.memory.get(), dtype, r * m.weight.leading + i, i < in ? scale * uniform() : 0);
    }
  }
  return m;
}

TestWeight vector(int64_t n) {
  TestWeight v;
  v.weight.role = WeightRole::kVector;
  v.weight.shape = {1, 1, n};
  v.memory = allocate(static_cast<size_t>(n) * sizeof(float));
  v.weight.data = v.memory.get();
  for (int64_t i = 0; i < n; ++i) put(v.memory.get(), DType::kF32, i, uniform());
  return v;
}

}  // namespace qavit::cuda::test
