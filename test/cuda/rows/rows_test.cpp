// layer_norm, gather_rows and copy on the emulated device against the reference: every pair of dtypes, widths around
// the kernels' limits, layouts that allow vectors and layouts that do not, NaN all around. Prints a line a failure and
// the number of cases; the exit status is 0 when all hold.
#include "cuda/rows/rows.h"

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cuda/layer_norm/layer_norm.h"
#include "cuda/weight.h"
#include "operand.h"
#include "reference/operations.h"

namespace qavit::test {

namespace {

constexpr DType kDTypes[] = {DType::kF32, DType::kBF16, DType::kF16};
// Dense; rows aligned; rows aligned but cut short of a run; nothing aligned.
constexpr Layout kLayouts[] = {{0, 0, 0}, {8, 16, 64}, {16, 3, 5}, {1, 8, 0}, {0, 8, 4}};

int failures = 0, cases = 0;
Uniform uniform;

cuda::Launch on_device() {
  static const cuda::DeviceProperties properties = {0, 80, 4, 99 * 1024, 1 << 20, true};
  static cudaStream_t stream = [] {
    cudaStream_t made = nullptr;
    (void)cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking);
    return made;
  }();
  return {properties, stream, nullptr, 0};
}

double tolerance(DType dtype) { return dtype == DType::kF32 ? 1e-5 : dtype == DType::kBF16 ? 6e-3 : 1e-3; }

std::string name_of(const char* op, const Operand& x, const Operand& y) {
  const View& v = y.view;
  return std::string(op) + " [" + std::to_string(v.batch) + ", " + std::to_string(v.rows) + ", " +
         std::to_string(v.cols) + "] " + dtype_name(x.view.dtype) + " to " + dtype_name(v.dtype) + ", row strides " +
         std::to_string(x.view.row_stride) + " and " + std::to_string(v.row_stride);
}

// Results within `limit` of the wanted ones in relative Frobenius norm, and nothing written beside them.
void hold(const std::string& name, const Status& status, const Operand& actual, const Operand& wanted, double limit) {
  const View& v = actual.view;
  double error = 0, size = 0;
  for (int64_t b = 0; b < v.batch; ++b) {
    for (int64_t r = 0; r < v.rows; ++r) {
      for (int64_t c = 0; c < v.cols; ++c) {
        error += std::pow(actual.at(b, r, c) - wanted.at(b, r, c), 2);
        size += std::pow(wanted.at(b, r, c), 2);
      }
    }
  }
  const bool within = std::sqrt(error) <= limit * std::sqrt(size);  // false for NaN
  const bool untouched = actual.numbers() == v.batch * v.rows * v.cols;
  ++cases;
  if (status.ok() && within && untouched) return;
  ++failures;
  std::printf("FAILED: %s: %s error %g, %s\n", name.c_str(), status.message().c_str(), std::sqrt(error / size),
              untouched ? "nothing beside" : "written beside");
}

// One vector or table in the forms of both backends.
struct Weights {
  Weights(WeightRole role, DType dtype, int64_t rows, int64_t cols) : memory(dtype, 1, rows, cols, Layout()) {
    dense.role = device.role = role;
    dense.dtype = device.dtype = dtype;
    dense.shape = device.shape = {1, rows, cols};
    dense.values.resize(static_cast<size_t>(rows * cols));
    for (int64_t i = 0; i < rows * cols; ++i) {
      memory.set(0, 0, i, uniform());
      dense.values[static_cast<size_t>(i)] = static_cast<float>(memory.at(0, 0, i));
    }
    device.data = memory.view.data;
    device.leading = cols;
  }

  Operand memory;
  cuda::CudaWeight device;
  reference::DenseWeight dense;
};

struct NormCase {
  int64_t batch, rows, cols;
  bool gamma, beta;
  double shift;
};

void norm(const NormCase& c, DType from, DType to, const Layout& from_layout, const Layout& to_layout) {
  Operand x(from, c.batch, c.rows, c.cols, from_layout), y(to, c.batch, c.rows, c.cols, to_layout);
  Operand wanted(DType::kF32, c.batch, c.rows, c.cols, Layout());
  for (int64_t b = 0; b < c.batch; ++b) {
    for (int64_t r = 0; r < c.rows; ++r) {
      for (int64_t i = 0; i < c.cols; ++i) x.set(b, r, i, uniform() + c.shift);
    }
  }
  const Weights gamma(WeightRole::kVector, DType::kF32, 1, c.cols), beta(WeightRole::kVector, DType::kF32, 1, c.cols);
  LayerNormParams params;
  params.x = x.view;
  params.y = wanted.view;
  if (c.gamma) params.gamma = &gamma.dense;
  if (c.beta) params.beta = &beta.dense;
  reference::layer_norm(params);
  params.y = y.view;
  if (c.gamma) params.gamma = &gamma.device;
  if (c.beta) params.beta = &beta.device;
  hold(name_of("layer_norm", x, y), run(on_device(), params), y, wanted, tolerance(to));
}

void norms() {
  const NormCase shapes[] = {{1, 1, 2, true, true, 0},     {3, 17, 37, true, true, 0},   {1, 9, 48, false, true, 0},
                             {2, 5, 248, true, false, 0},  {2, 5, 256, false, false, 0}, {1, 7, 264, true, true, 0},
                             {1, 6, 768, true, true, 100}, {1, 5, 1024, true, true, 0},  {1, 3, 1408, true, true, 0},
                             {1, 2, 1664, true, true, 0},  {1, 3, 2048, true, true, 0},  {1, 2, 2056, true, true, 100}};
  for (const NormCase& shape : shapes) {
    for (const DType from : kDTypes) {
      for (const DType to : kDTypes) {
        for (const Layout& layout : kLayouts) norm(shape, from, to, layout, layout);
        norm(shape, from, to, kLayouts[0], kLayouts[3]);
        norm(shape, from, to, kLayouts[3], kLayouts[0]);
      }
    }
  }
}

// Normalising in place: y is x.
void norm_in_place(int64_t cols, DType dtype, const Layout& layout) {
  Operand x(dtype, 2, 3, cols, layout), wanted(DType::kF32, 2, 3, cols, Layout());
  for (int64_t b = 0; b < 2; ++b) {
    for (int64_t i = 0; i < 3 * cols; ++i) x.set(b, i / cols, i % cols, uniform());
  }
  LayerNormParams params;
  params.x = x.view;
  params.y = wanted.view;
  reference::layer_norm(params);
  params.y = x.view;
  hold(name_of("layer_norm in place", x, x), run(on_device(), params), x, wanted, tolerance(dtype));
}

void fill(Operand& x) {
  const View& v = x.view;
  for (int64_t b = 0; b < v.batch; ++b) {
    for (int64_t i = 0; i < v.rows * v.cols; ++i) x.set(b, i / v.cols, i % v.cols, uniform());
  }
}

std::unique_ptr<Operand> indices(int64_t count, int64_t entries) {
  auto index = std::make_unique<Operand>(DType::kI32, 1, 1, count, Layout());
  for (int64_t i = 0; i < count; ++i) index->view.row<int32_t>(0, 0)[i] = static_cast<int32_t>(uniform.below(entries));
  return index;
}

// What is only moved is exact; what is rounded, rounded once.
double moving_tolerance(DType from, DType to) { return to == DType::kF32 || to == from ? 0 : tolerance(to); }

struct MoveCase {
  int64_t batch, rows, cols, entries;
};

void move(const MoveCase& c, DType from, DType to, const Layout& from_layout, const Layout& to_layout) {
  const double limit = moving_tolerance(from, to);
  Operand source(from, c.entries, c.rows, c.cols, from_layout);
  fill(source);
  {
    Operand out(to, c.batch, c.rows, c.cols, to_layout), wanted(DType::kF32, c.batch, c.rows, c.cols, Layout());
    const auto index = indices(c.batch, c.entries);
    GatherRowsParams params;
    params.source = source.view;
    params.index = index->view;
    params.out = wanted.view;
    reference::gather_rows(params);
    params.out = out.view;
    hold(name_of("gather_rows of entries", source, out), run(on_device(), params), out, wanted, limit);
  }
  {
    Operand out(to, c.batch, c.rows, c.cols, to_layout), wanted(DType::kF32, c.batch, c.rows, c.cols, Layout());
    const auto index = indices(c.batch * c.rows, c.entries);
    const Weights table(WeightRole::kTable, from, c.entries, c.cols);
    GatherRowsParams params;
    params.table = &table.dense;
    params.index = index->view;
    params.out = wanted.view;
    reference::gather_rows(params);
    params.table = &table.device;
    params.out = out.view;
    hold(name_of("gather_rows of a table", table.memory, out), run(on_device(), params), out, wanted, limit);
  }
  Operand out(to, c.entries, c.rows, c.cols, to_layout);
  CopyParams params;
  params.x = source.view;
  params.y = out.view;
  hold(name_of("copy", source, out), run(on_device(), params), out, source, limit);
}

void moves() {
  const MoveCase shapes[] = {{1, 1, 1, 1},   {3, 7, 37, 11},  {1, 31, 88, 100}, {2, 3, 768, 5}, {7, 5, 8, 3},
                             {7, 50, 64, 1}, {2, 3, 2051, 2}, {300, 2, 9, 4},   {2, 2, 2048, 3}};
  for (const MoveCase& shape : shapes) {
    for (const DType from : kDTypes) {
      for (const DType to : kDTypes) {
        for (const Layout& layout : kLayouts) move(shape, from, to, layout, layout);
        move(shape, from, to, kLayouts[0], kLayouts[3]);
        move(shape, from, to, kLayouts[3], kLayouts[0]);
      }
    }
  }
}

// A question that serves a whole batch: batch_stride 0.
void copies_broadcast() {
  Operand x(DType::kBF16, 1, 3, 40, Layout()), y(DType::kBF16, 4, 3, 40, Layout());
  Operand wanted(DType::kF32, 4, 3, 40, Layout());
  fill(x);
  CopyParams params;
  params.x = x.view;
  params.x.batch = 4;
  params.x.batch_stride = 0;
  params.y = wanted.view;
  reference::copy(params);
  params.y = y.view;
  hold(name_of("copy of a broadcast", x, y), run(on_device(), params), y, wanted, 0);
}

// Nothing is launched here: only the limits are asked for.
void limits() {
  const auto refuses = [](const char* name, const Status& status) {
    ++cases;
    if (status.code() == ErrorCode::kUnsupported) return;
    ++failures;
    std::printf("FAILED: %s takes more rows than a grid\n", name);
  };
  LayerNormParams norm;
  norm.x.batch = norm.x.cols = 1;
  norm.x.rows = int64_t{1} << 31;
  refuses("layer_norm", supports(on_device().device, norm));
  CopyParams copy;
  copy.y = norm.x;
  refuses("copy", supports(on_device().device, copy));
  GatherRowsParams gather;
  gather.out = norm.x;
  refuses("gather_rows", supports(on_device().device, gather));
}

}  // namespace

int run_all() {
  norms();
  for (const DType dtype : kDTypes) {
    for (const Layout& layout : kLayouts) {
      norm_in_place(96, dtype, layout);
      norm_in_place(300, dtype, layout);
    }
  }
  moves();
  copies_broadcast();
  limits();
  std::printf("%d cases, %d failed\n", cases, failures);
  return failures == 0 ? 0 : 1;
}

}  // namespace qavit::test

int main() { return qavit::test::run_all(); }
