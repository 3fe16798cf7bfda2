#include "cuda/emulation/travelling_copies.h"

#include <cstring>

namespace qavit::cuda::emulation {

void TravellingCopies::start(void* to, const void* from, size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  // Not what an earlier copy has yet to read.
  if (under_way_.empty()) std::memset(to, 0xff, bytes);
  under_way_.push_back({to, from, bytes});
}

uint64_t TravellingCopies::started() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return finished_ + under_way_.size();
}

void TravellingCopies::finish(uint64_t point) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (; finished_ < point && !under_way_.empty(); ++finished_) {
    const Copy& copy = under_way_.front();
    std::memcpy(copy.to, copy.from, copy.bytes);
    under_way_.pop_front();
  }
}

}  // namespace qavit::cuda::emulation
