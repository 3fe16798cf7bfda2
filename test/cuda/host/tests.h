// One function for each file of tests.
#pragma once

namespace qavit::test {

void test_backend();
void test_free_blocks();
void test_graphs();

}  // namespace qavit::test
