// RunTimer: how long plans take on the GPU's own clock, for benchmarks: an event on either side of what a run enqueues.
// Off, it costs nothing.
//
// Queue thread only, but for milliseconds().
#pragma once

#include <atomic>

#include "core/status.h"
#include "cuda/runtime.h"

namespace qavit::cuda {

class RunTimer {
 public:
  explicit RunTimer(bool enabled) : enabled_(enabled) {}
  ~RunTimer();
  RunTimer(const RunTimer&) = delete;
  RunTimer& operator=(const RunTimer&) = delete;

  Status start(cudaStream_t stream);
  Status stop(cudaStream_t stream);
  // Adds the run between the last start() and stop(), which the caller has waited for.
  Status add();

  // Of all runs added; any thread.
  double milliseconds() const { return milliseconds_; }

 private:
  const bool enabled_;
  cudaEvent_t started_ = nullptr;
  cudaEvent_t stopped_ = nullptr;
  std::atomic<double> milliseconds_{0.0};
};

}  // namespace qavit::cuda
