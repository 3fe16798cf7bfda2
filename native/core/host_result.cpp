#include "core/host_result.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/finite.h"

namespace qavit {

HostResult::HostResult(std::vector<void*> blocks, DType dtype, int64_t elements, bool inspected)
    : blocks_(std::move(blocks)),
      dtype_(dtype),
      block_bytes_(static_cast<size_t>(elements) * dtype_size(dtype)),
      non_finite_(inspected ? blocks_.size() : 0, -1) {}

void HostResult::take(const char* from, size_t offset, size_t count) {
  while (count > 0) {
    const size_t block = offset / block_bytes_;
    const size_t within = offset % block_bytes_;
    const size_t bytes = std::min(count, block_bytes_ - within);
    std::memcpy(static_cast<char*>(blocks_[block]) + within, from, bytes);
    if (!non_finite_.empty() && non_finite_[block] < 0) {
      const size_t size = dtype_size(dtype_);
      const int64_t found = first_non_finite(from, dtype_, static_cast<int64_t>(bytes / size));
      if (found >= 0) non_finite_[block] = static_cast<int64_t>(within / size) + found;
    }
    from += bytes;
    offset += bytes;
    count -= bytes;
  }
}

}  // namespace qavit
