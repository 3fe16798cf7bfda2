// One function for each file of tests: prints a line a failure and the number of cases, and gives the number of
// failures.
#pragma once

namespace qavit::test {
int test_attention();
}
namespace qavit::cuda::test {
int test_linear();
}
