#include "cuda/emulation/pending_work.h"

#include <cstring>
#include <utility>

namespace qavit::cuda::emulation {

void PendingWork::add(Work work) {
  const std::lock_guard<std::mutex> lock(mutex_);
  waiting_.push_back(std::move(work));
  ++added_;
}

void PendingWork::add_copy(void* to, const void* from, size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (done_ == added_) std::memset(to, 0xff, bytes);
  waiting_.push_back([=] { std::memcpy(to, from, bytes); });
  ++added_;
}

uint64_t PendingWork::added() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return added_;
}

void PendingWork::finish(uint64_t point) {
  const std::lock_guard<std::mutex> turn(doing_);
  for (;;) {
    Work work;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (done_ >= point || waiting_.empty()) return;
      work = std::move(waiting_.front());
      waiting_.pop_front();
    }
    work();
    const std::lock_guard<std::mutex> lock(mutex_);
    ++done_;
  }
}

}  // namespace qavit::cuda::emulation
