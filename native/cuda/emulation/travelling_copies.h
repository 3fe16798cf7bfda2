// The copies of one stream that are under way, cudaMemcpyAsync's: as late as a GPU may be, which is when somebody waits
// for them or the stream goes on to other work. Until then NaNs lie where the first of them goes, and all take what
// their source holds in the end: memory that is read or written again too early shows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>

namespace qavit::cuda::emulation {

class TravellingCopies {
 public:
  void start(void* to, const void* from, size_t bytes);
  // How many were started: a point to wait for.
  uint64_t started() const;
  // Those started up to that point arrive, in order.
  void finish(uint64_t point);
  void finish() { finish(UINT64_MAX); }

 private:
  struct Copy {
    void* to;
    const void* from;
    size_t bytes;
  };

  mutable std::mutex mutex_;  // cudaFree, of any thread, waits for all streams of its device
  std::deque<Copy> under_way_;
  uint64_t finished_ = 0;
};

}  // namespace qavit::cuda::emulation
