// One function for each file of tests.
#pragma once

namespace qavit::test {

void test_warp();
void test_waiting();
void test_memory();
void test_launch();
void test_device();

}  // namespace qavit::test
