// HostResult: where a run's result goes in host memory: one block, or one a sample, so that whoever keeps a sample does
// not keep its whole batch. Numbers can be looked at as they pass, while they are in the cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/dtype.h"

namespace qavit {

class HostResult {
 public:
  // Blocks of `elements` numbers each, one behind another in the result. `inspected`: floats whose first infinite
  // number or NaN is to be found.
  HostResult(std::vector<void*> blocks, DType dtype, int64_t elements, bool inspected);

  // The result's bytes [offset, offset + count) have come and lie at `from`. In order; whole elements.
  void take(const char* from, size_t offset, size_t count);

  // Of each block, the position of its first number that is infinite or NaN, or -1; empty where none were looked at.
  const std::vector<int64_t>& non_finite() const { return non_finite_; }

 private:
  const std::vector<void*> blocks_;
  const DType dtype_;
  const size_t block_bytes_;
  std::vector<int64_t> non_finite_;
};

}  // namespace qavit
