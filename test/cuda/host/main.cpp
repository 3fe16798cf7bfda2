// Tests of the CUDA backend's host side, of what no plan shows. Prints a line a check; the exit status is 0 when all hold.
#include "../emulation/check.h"
#include "tests.h"

int main() {
  qavit::test::test_free_blocks();
  qavit::test::test_graphs();
  qavit::test::test_backend();
  return qavit::test::failures == 0 ? 0 : 1;
}
