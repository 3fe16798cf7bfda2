// Tests of native/cuda/linear and native/cuda/gated_projection on an emulated device. The exit status is 0 when all
// hold.
#include "tests.h"

int main() {
  const int failed = qavit::cuda::test::test_plans() + qavit::cuda::test::test_products();
  return failed == 0 ? 0 : 1;
}
