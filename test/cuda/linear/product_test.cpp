// The portable matrix products against plain float64 loops, on the emulated device: every tile, split sums, all dtypes
// and activations, odd sizes, unaligned operands.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

#include "cuda/gated_projection/gated_projection.h"
#include "cuda/linear/gemm_plan.h"
#include "cuda/linear/linear.h"
#include "product_cases.h"
#include "reference/operations.h"
#include "tests.h"

namespace qavit::cuda::test {

namespace {

// Relative Frobenius error: sums in f32, results rounded to y's dtype.
double tolerance(DType dtype) { return dtype == DType::kF32 ? 1e-5 : dtype == DType::kBF16 ? 6e-3 : 1e-3; }

// A case's operands, and what the product over them must be.
class Product {
 public:
  explicit Product(const ProductCase& c)
      : c_(c),
        x_(c.x, c.shared_x ? 1 : c.batch, c.rows, c.groups * c.in, c.layout),
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

  // "" or what is wrong.
  std::string check_plan() const {
    if (c_.tile < 0) return "";
    const int64_t depth = (c_.gated ? 2 : 1) * weight_.weight.leading;
    const GemmPlan plan = plan_gemm({c_.batch * c_.rows, c_.out, depth, c_.groups}, c_.multiprocessors);
    if (plan.tile == c_.tile && plan.splits == c_.splits) return "";
    return "planned tile " + std::to_string(plan.tile) + " with " + std::to_string(plan.splits) + " splits";
  }

  Status run(cudaStream_t stream) {
    DeviceProperties device;
    device.compute_capability = 80;
    device.multiprocessors = c_.multiprocessors;
    device.emulated = true;
    return c_.gated ? run_on(device, stream, gated_params()) : run_on(device, stream, linear_params());
  }

  std::string check_result(double* error) const {
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

  std::vector<double> result() const {
    std::vector<double> values;
    for_each([&](int64_t b, int64_t r, int64_t column) { values.push_back(y_.at(b, r, column)); });
    return values;
  }

  // Whether y holds the residual no more, so that running again computes something else.
  bool consumed() const { return c_.residual == Residual::kY; }

  // NaN in the first batch entry of x must stay in the first batch entry of y.
  void poison_first_entry() {
    for (int64_t r = 0; r < c_.rows; ++r) {
      for (int64_t i = 0; i < x_.view.cols; ++i) x_.set(0, r, i, std::numeric_limits<double>::quiet_NaN());
    }
  }

 private:
  Tensor& summand() { return c_.residual == Residual::kY ? y_ : residual_; }

  template <typename F>
  void for_each(const F& f) const {
    for (int64_t b = 0; b < c_.batch; ++b) {
      for (int64_t r = 0; r < c_.rows; ++r) {
        for (int64_t column = 0; column < c_.groups * c_.out; ++column) f(b, r, column);
      }
    }
  }

  double projected(const TestWeight& w, const TestWeight& bias, int64_t b, int64_t r, int64_t column) const {
    double sum = c_.bias ? get(bias.weight.data, DType::kF32, column) : 0;
    for (int64_t i = 0; i < c_.in; ++i) {
      double x = x_.at(b, r, column / c_.out * c_.in + i);
      if (c_.weight != DType::kF32) {  // tensor cores take x in the weights' dtype
        uint32_t bits = 0;
        put(&bits, c_.weight, 0, x);
        x = get(&bits, c_.weight, 0);
      }
      sum += get(w.weight.data, c_.weight, column * w.weight.leading + i) * x;
    }
    return sum;
  }

  double expected_at(int64_t b, int64_t r, int64_t column) {
    double sum = projected(weight_, bias_, b, r, column);
    if (c_.gated) sum += c_.gate * projected(gate_weight_, gate_bias_, b, r, column);
    const double residual = c_.residual != Residual::kNone ? summand().at(b, r, column) : 0;
    return residual + c_.alpha * reference::activate(c_.activation, sum);
  }

  LinearParams linear_params() {
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

  GatedProjectionParams gated_params() {
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

  template <typename Params>
  static Status run_on(const DeviceProperties& device, cudaStream_t stream, const Params& params) {
    QAVIT_RETURN_IF_ERROR(supports(device, params));
    const size_t bytes = workspace_bytes(device, params);
    const Memory workspace = allocate(bytes + 1);
    std::memset(workspace.get(), 0xff, bytes);  // NaN
    return cuda::run(Launch{device, stream, workspace.get(), bytes}, params);
  }

  ProductCase c_;
  Tensor x_, residual_, y_;
  TestWeight weight_, gate_weight_, bias_, gate_bias_;
  std::vector<double> wanted_;
};

// "" or what is wrong.
std::string check(const ProductCase& c, cudaStream_t stream, double* error) {
  Product product(c);
  if (std::string wrong = product.check_plan(); !wrong.empty()) return wrong;
  if (const Status status = product.run(stream); !status.ok()) return status.message();
  if (std::string wrong = product.check_result(error); !wrong.empty()) return wrong;
  if (product.consumed()) return "";
  const std::vector<double> first = product.result();
  if (const Status status = product.run(stream); !status.ok()) return status.message();
  if (product.result() != first) return "another result the second time";
  if (c.batch == 1 || c.shared_x) return "";
  product.poison_first_entry();
  if (const Status status = product.run(stream); !status.ok()) return status.message();
  const std::vector<double> poisoned = product.result();
  const size_t entry = first.size() / static_cast<size_t>(c.batch);
  for (size_t i = entry; i < first.size(); ++i) {
    if (poisoned[i] != first[i]) return "NaN of one batch entry reached another";
  }
  return "";
}

}  // namespace

int test_products() {
  cudaStream_t stream = nullptr;
  if (cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) != cudaSuccess) return 1;
  int failed = 0;
  for (const ProductCase& c : product_cases()) {
    double error = 0;
    const std::string wrong = check(c, stream, &error);
    std::printf("%s: %s (relative error %.1e) %s\n", wrong.empty() ? "ok" : "FAILED", c.name.c_str(), error,
                wrong.c_str());
    failed += wrong.empty() ? 0 : 1;
  }
  (void)cudaStreamDestroy(stream);
  return failed;
}

}  // namespace qavit::cuda::test
