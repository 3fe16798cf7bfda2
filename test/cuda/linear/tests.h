// One function for each file of tests; each prints a line a case and gives the number of failures.
#pragma once

namespace qavit::cuda::test {

int test_activations();
int test_plans();
int test_products();

}  // namespace qavit::cuda::test
