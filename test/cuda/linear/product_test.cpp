// The portable matrix products against plain float64 loops, on the emulated device: every tile, split sums, all dtypes
// and activations, odd sizes, unaligned operands.
#include "product.h"

#include <cstdio>

#include "cuda/gated_projection/gated_projection.h"
#include "cuda/linear/gemm_plan.h"
#include "cuda/linear/linear.h"
#include "tests.h"

namespace qavit::cuda::test {

namespace {

// "" or what is wrong.
std::string check_plan(const ProductCase& c) {
  if (c.tile < 0) return "";
  const int64_t leading = (c.in + kMatrixRowMultiple - 1) / kMatrixRowMultiple * kMatrixRowMultiple;
  const GemmPlan plan = plan_gemm({c.batch * c.rows, c.out, (c.gated ? 2 : 1) * leading, c.groups}, c.multiprocessors);
  if (plan.tile == c.tile && plan.splits == c.splits) return "";
  return "planned tile " + std::to_string(plan.tile) + " with " + std::to_string(plan.splits) + " splits";
}

Status run(const ProductCase& c, Product& product, cudaStream_t stream) {
  DeviceProperties device;
  device.compute_capability = 80;
  device.multiprocessors = c.multiprocessors;
  device.shared_bytes_per_block = 99 * 1024;
  device.emulated = true;
  return c.gated ? run_in_workspace(device, stream, product.gated_params())
                 : run_in_workspace(device, stream, product.linear_params());
}

// "" or what is wrong.
std::string check(const ProductCase& c, cudaStream_t stream, double* error) {
  if (std::string wrong = check_plan(c); !wrong.empty()) return wrong;
  Product product(c);
  if (const Status status = run(c, product, stream); !status.ok()) return status.message();
  if (std::string wrong = product.check_result(error); !wrong.empty()) return wrong;
  if (product.consumed()) return "";
  const std::vector<double> first = product.result();
  if (const Status status = run(c, product, stream); !status.ok()) return status.message();
  if (product.result() != first) return "another result the second time";
  if (c.batch == 1 || c.shared_x) return "";
  product.poison_first_entry();
  if (const Status status = run(c, product, stream); !status.ok()) return status.message();
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
