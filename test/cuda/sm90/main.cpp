// What can be known about Hopper's kernels without one: addresses and descriptors, plans, the order of work, the
// protocol between producer and consumers in many orders, and how sums are finished. Exit status 0 when all hold.
#include "check.h"
#include "tests.h"

int main() {
  using namespace qavit::cuda::test;
  test_addresses();
  test_tensor_layouts();
  test_plans();
  test_items();
  test_roles();
  test_finishing();
  return failed == 0 ? 0 : 1;
}
