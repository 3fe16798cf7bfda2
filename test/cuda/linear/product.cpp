#include "product.h"

#include <cmath>
#include <limits>

#include "reference/operations.h"

namespace qavit::cuda::test {

namespace {

// Relative Frobenius error: sums in f32, results rounded to y's dtype.
double tolerance(DType dtype) { return dtype == DType::kF32 ? 1e-5 : dtype == DType::kBF16 ? 6e-3 : 1e-3; }

// What x lies in: of dense_x, entries follow each other as rows do.
Layout x_layout(const ProductCase& c) {
  return {c.layout.offset, c.layout.padding, c.dense_x ? 0 : c.layout.batch_padding};
}

}  // namespace

Product::Product(const ProductCase& c)
    : c_(c),
      x_(c.x, c.shared_x ? 1 : c.batch, c.rows, c.groups * c.in, x_layout(c)),
      residual_(c.residual_dtype, c.batch, c.rows, c.groups * c.out, c.layout),
      y_(c.y, c.batch, c.rows, c.groups * c.out, c.layout),
      weight_(matrix(c.weight, c.groups, c.out, c.in)),
      gate_weight_(matrix(c.weight, c.groups, c.out, c.in)),
      bias_(vector(c.groups * c.out)),
      gate_bias_(vector(c.groups * c.out)) {
  x_.fill_uniform();
  if (c.residual != Residual::kNone) summand().fill_uniform();
  if (c.shared_x) {
    x_.view.batch = c.batch;
    x_.view.batch_stride = 0;
  }
  for_each([&](int64_t b, int64_t r, int64_t column) { wanted_.push_back(expected_at(b, r, column)); });
}

LinearParams Product::linear_params() {
  LinearParams p;
  p.x = x_.view;
  p.weight = &weight_.weight;
  if (c_.bias) p.bias = &bias_.weight;
  p.activation = c_.activation;
  p.alpha = c_.alpha;
  if (c_.residual != Residual::kNone) p.residual = summand().view;
  p.y = y_.view;
  return p;
}

GatedProjectionParams Product::gated_params() {
  GatedProjectionParams p;
  p.x = x_.view;
  p.weight = &weight_.weight;
  p.gate_weight = &gate_weight_.weight;
  if (c_.bias) p.bias = &bias_.weight;
  if (c_.bias) p.gate_bias = &gate_bias_.weight;
  p.gate = c_.gate;
  if (c_.residual != Residual::kNone) p.residual = summand().view;
  p.y = y_.view;
  return p;
}

std::string Product::check_result(double* error) const {
  double difference = 0, norm = 0;
  bool finite = true;
  size_t i = 0;
  for_each([&](int64_t b, int64_t r, int64_t column) {
    const double value = y_.at(b, r, column), wanted = wanted_[i++];
    finite = finite && std::isfinite(value);
    difference += (value - wanted) * (value - wanted);
    norm += wanted * wanted;
  });
  *error = std::sqrt(difference / norm);
  if (!finite) return "NaN or infinity in y";
  if (y_.numbers() != static_cast<int64_t>(wanted_.size())) return "written outside y";
  return *error <= tolerance(c_.y) ? "" : "relative error " + std::to_string(*error);
}

std::vector<double> Product::result() const {
  std::vector<double> values;
  for_each([&](int64_t b, int64_t r, int64_t column) { values.push_back(y_.at(b, r, column)); });
  return values;
}

void Product::poison_first_entry() {
  for (int64_t r = 0; r < c_.rows; ++r) {
    for (int64_t i = 0; i < x_.view.cols; ++i) x_.set(0, r, i, std::numeric_limits<double>::quiet_NaN());
  }
}

template <typename F>
void Product::for_each(const F& f) const {
  for (int64_t b = 0; b < c_.batch; ++b) {
    for (int64_t r = 0; r < c_.rows; ++r) {
      for (int64_t column = 0; column < c_.groups * c_.out; ++column) f(b, r, column);
    }
  }
}

double Product::projected(const TestWeight& w, const TestWeight& bias, int64_t b, int64_t r, int64_t column) const {
  double sum = c_.bias ? get(bias.weight.data, DType::kF32, column) : 0;
  for (int64_t i = 0; i < c_.in; ++i) {
    double x = x_.at(b, r, column / c_.out * c_.in + i);
    if (c_.x != c_.weight && c_.weight != DType::kF32) {  // tensor cores take x in the weights' dtype
      uint32_t bits = 0;
      put(&bits, c_.weight, 0, x);
      x = get(&bits, c_.weight, 0);
    }
    sum += get(w.weight.data, c_.weight, column * w.weight.leading + i) * x;
  }
  return sum;
}

double Product::expected_at(int64_t b, int64_t r, int64_t column) {
  double sum = projected(weight_, bias_, b, r, column);
  if (c_.gated) sum += c_.gate * projected(gate_weight_, gate_bias_, b, r, column);
  const double residual = c_.residual != Residual::kNone ? summand().at(b, r, column) : 0;
  return residual + c_.alpha * reference::activate(c_.activation, sum);
}

}  // namespace qavit::cuda::test
