// One function for each file of tests.
#pragma once

namespace qavit::cuda::test {

void test_addresses();
void test_tensor_layouts();
void test_plans();
void test_items();
void test_roles();
void test_finishing();

}  // namespace qavit::cuda::test
