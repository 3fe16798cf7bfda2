// What one stream has yet to do, as late as a GPU may be: it is done when somebody waits for it. Copies are always
// late; kernels run at once, after them, unless the stream is late altogether.
//
// Until a copy arrives NaNs lie where it goes, if nothing that comes before could still read that, and it takes what
// its source holds in the end: memory that is read or written again too early shows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>

namespace qavit::cuda::emulation {

class PendingWork {
 public:
  using Work = std::function<void()>;

  void add(Work work);
  void add_copy(void* to, const void* from, size_t bytes);

  // How much was added: a point to wait for.
  uint64_t added() const;

  // Does what was added up to that point, in order, in the calling thread; what another thread is at is waited for.
  void finish(uint64_t point);
  void finish() { finish(UINT64_MAX); }

 private:
  std::mutex doing_;          // held while work is done: one thread at a time
  mutable std::mutex mutex_;  // guards the three below
  std::deque<Work> waiting_;
  uint64_t added_ = 0;
  uint64_t done_ = 0;
};

}  // namespace qavit::cuda::emulation
