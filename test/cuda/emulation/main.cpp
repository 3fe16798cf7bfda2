// Tests of the SIMT emulation by itself. Prints a line a check; the exit status is 0 when all hold.
#include "check.h"
#include "tests.h"

int main() {
  qavit::test::test_warp();
  qavit::test::test_waiting();
  qavit::test::test_memory();
  qavit::test::test_launch();
  qavit::test::test_device();
  return qavit::test::failures == 0 ? 0 : 1;
}
