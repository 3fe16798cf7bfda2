// Operands of a product for the tests beside this file: in memory like a device's, between NaNs that nobody may read
// into a result or overwrite.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/ops.h"
#include "cuda/weight.h"

namespace qavit::cuda::test {

// One element of any float dtype; put() rounds to nearest even.
double get(const void* data, DType dtype, int64_t i);
void put(void* data, DType dtype, int64_t i, double value);

// Uniform in [-1, 1), the same numbers in every run.
double uniform();

struct Free {
  void operator()(void* memory) const;
};
using Memory = std::unique_ptr<void, Free>;

// Exactly `bytes`, 256-byte aligned; the address sanitizer sees every byte past them.
Memory allocate(size_t bytes);

// What lies around a tensor's elements.
struct Layout {
  int64_t offset = 0;         // elements before the first
  int64_t padding = 0;        // between rows
  int64_t batch_padding = 0;  // between batch entries
};

// [batch, rows, cols], NaN in and around it until filled.
class Tensor {
 public:
  Tensor(DType dtype, int64_t batch, int64_t rows, int64_t cols, const Layout& layout);

  View view;

  double at(int64_t b, int64_t r, int64_t c) const { return get(view.data, view.dtype, place(b, r, c)); }
  void set(int64_t b, int64_t r, int64_t c, double value) { put(view.data, view.dtype, place(b, r, c), value); }
  void fill_uniform();
  // Elements of the memory, gaps included, that are no NaN.
  int64_t numbers() const;

  // The memory, gaps included.
  void* memory() const { return memory_.get(); }
  size_t bytes() const { return static_cast<size_t>(elements_) * dtype_size(view.dtype); }

 private:
  int64_t place(int64_t b, int64_t r, int64_t c) const { return b * view.batch_stride + r * view.row_stride + c; }

  int64_t elements_;
  Memory memory_;
};

// A weight as upload leaves it.
struct TestWeight {
  CudaWeight weight;
  Memory memory;
};
TestWeight matrix(DType dtype, int64_t groups, int64_t out, int64_t in);
TestWeight vector(int64_t n);

}  // namespace qavit::cuda::test
