// Hopper's kernels on the model of its instructions (model.h). The exit status is 0 when all hold.
#include "tests.h"

int main() {
  const int failed = qavit::test::test_attention() + qavit::cuda::test::test_linear();
  return failed == 0 ? 0 : 1;
}
