// A case's operands, and what the product over them must be: plain float64 loops.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "cuda/launch.h"
#include "product_cases.h"

namespace qavit::cuda::test {

class Product {
 public:
  explicit Product(const ProductCase& c);

  LinearParams linear_params();
  GatedProjectionParams gated_params();

  // "" or what is wrong with y; *error is the relative one.
  std::string check_result(double* error) const;
  std::vector<double> result() const;

  // Whether y holds the residual no more, so that running again computes something else.
  bool consumed() const { return c_.residual == Residual::kY; }

  // NaN in the first batch entry of x must stay in the first batch entry of y.
  void poison_first_entry();

 private:
  Tensor& summand() { return c_.residual == Residual::kY ? y_ : residual_; }
  template <typename F>
  void for_each(const F& f) const;
  double projected(const TestWeight& w, const TestWeight& bias, int64_t b, int64_t r, int64_t column) const;
  double expected_at(int64_t b, int64_t r, int64_t column);

  ProductCase c_;
  Tensor x_, residual_, y_;
  TestWeight weight_, gate_weight_, bias_, gate_bias_;
  std::vector<double> wanted_;
};

// Runs params of any operation as a Plan does, in a workspace of NaNs.
template <typename Params>
Status run_in_workspace(const DeviceProperties& device, cudaStream_t stream, const Params& params) {
  QAVIT_RETURN_IF_ERROR(supports(device, params));
  const size_t bytes = workspace_bytes(device, params);
  const Memory workspace = allocate(bytes + 1);
  std::memset(workspace.get(), 0xff, bytes);
  return run(Launch{device, stream, workspace.get(), bytes}, params);
}

}  // namespace qavit::cuda::test
