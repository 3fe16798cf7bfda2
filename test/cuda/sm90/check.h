// Checks that count and print what failed.
#pragma once

#include <cstdio>
#include <string>

namespace qavit::cuda::test {

inline int failed = 0;

inline void hold(bool condition, const std::string& what) {
  if (condition) return;
  ++failed;
  std::printf("FAILED  %s\n", what.c_str());
}

inline void done(const char* what) {
  if (failed == 0) std::printf("ok: %s\n", what);
}

}  // namespace qavit::cuda::test
