// Tests of native/cuda/linear and native/cuda/gated_projection on an emulated device. The exit status is 0 when all
// hold.
#include "tests.h"

int main() {
  using namespace qavit::cuda::test;
  const int failed = test_activations() + test_plans() + test_products();
  return failed == 0 ? 0 : 1;
}
