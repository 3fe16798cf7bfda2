// RunTimer: how long plans take on the GPU's own clock, for benchmarks: an event on either side of what a run enqueues.
// Off, it costs nothing.
//
// Queue thread only, but for Lap::add() and milliseconds().
#pragma once

#include <atomic>
#include <memory>

#include "core/status.h"
#include "cuda/runtime.h"

namespace qavit::cuda {

class RunTimer {
 public:
  // One run.
  class Lap {
   public:
    explicit Lap(RunTimer* timer) : timer_(timer) {}
    ~Lap();
    Lap(const Lap&) = delete;
    Lap& operator=(const Lap&) = delete;

    // Adds its time, once the run has been waited for.
    Status add();

   private:
    friend class RunTimer;

    RunTimer* const timer_;
    cudaEvent_t started_ = nullptr;
    cudaEvent_t stopped_ = nullptr;
  };

  explicit RunTimer(bool enabled) : enabled_(enabled) {}
  RunTimer(const RunTimer&) = delete;
  RunTimer& operator=(const RunTimer&) = delete;

  // What follows on the stream counts, up to stop().
  Status start(cudaStream_t stream);
  Status stop(cudaStream_t stream);

  // The run between the last start() and stop(); null where nothing is measured. The timer must outlive it.
  std::unique_ptr<Lap> take() { return std::move(lap_); }

  // Of all laps added; any thread.
  double milliseconds() const { return milliseconds_; }

 private:
  const bool enabled_;
  std::unique_ptr<Lap> lap_;
  std::atomic<double> milliseconds_{0.0};
};

}  // namespace qavit::cuda
