// One function for each file of tests.
#pragma once

namespace qavit::test {

void test_warp();
void test_waiting();
void test_memory();

}  // namespace qavit::test
