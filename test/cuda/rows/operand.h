// An activation on the emulated device, with gaps between its rows that nobody may read into a result or write to.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "core/view.h"
#include "cuda/runtime.h"
#include "reference/elements.h"

namespace qavit::test {

struct Layout {
  int64_t offset = 0;         // elements before the first
  int64_t padding = 0;        // after each row
  int64_t batch_padding = 0;  // after each batch entry
};

class Operand {
 public:
  Operand(DType dtype, int64_t batch, int64_t rows, int64_t cols, const Layout& layout) {
    view.dtype = dtype;
    view.batch = batch;
    view.rows = rows;
    view.cols = cols;
    view.row_stride = cols + layout.padding;
    view.batch_stride = rows * view.row_stride + layout.batch_padding;
    elements_ = layout.offset + batch * view.batch_stride;
    // Every byte 0xff: NaN in each float dtype.
    if (cudaMalloc(&memory_, static_cast<size_t>(elements_) * dtype_size(dtype)) != cudaSuccess) std::abort();
    view.data = static_cast<char*>(memory_) + static_cast<size_t>(layout.offset) * dtype_size(dtype);
  }
  ~Operand() { (void)cudaFree(memory_); }
  Operand(const Operand&) = delete;
  Operand& operator=(const Operand&) = delete;

  View view;

  double at(int64_t b, int64_t r, int64_t c) const { return reference::load(view, b, r, c); }
  void set(int64_t b, int64_t r, int64_t c, double value) { reference::store(view, b, r, c, value); }

  // Elements of the memory, gaps included, that are no NaN.
  int64_t numbers() const {
    View all = view;
    all.data = memory_;
    int64_t count = 0;
    for (int64_t i = 0; i < elements_; ++i) count += std::isnan(reference::load(all, 0, 0, i)) ? 0 : 1;
    return count;
  }

 private:
  void* memory_ = nullptr;
  int64_t elements_ = 0;
};

// Uniform in [-1, 1), the same in every run.
class Uniform {
 public:
  double operator()() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(static_cast<int64_t>(state_) >> 11) * 0x1p-52;
  }
  int64_t below(int64_t n) { return std::abs(static_cast<int64_t>((*this)() * static_cast<double>(n))) % n; }

 private:
  uint64_t state_ = 88172645463325252u;
};

}  // namespace qavit::test
