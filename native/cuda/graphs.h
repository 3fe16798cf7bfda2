// GraphCache: plans recorded as CUDA graphs. A plan of 200 operations costs 200 launches, which the processor enqueues
// hardly faster than a GPU finishes them when the batch is small; its graph costs one.
//
// A graph holds the addresses it was recorded with. A plan meets few sets of them: its arena stays, and tensors that
// outlive a run come from a pool which hands out the same blocks again. So the first run with a set of addresses is
// enqueued plainly, the second is recorded (kernels are loaded by then, which recording would not allow), and later
// ones are replayed. Addresses that never come back are never recorded. Both bounds below are by least recent use.
//
// Queue thread only, but for the counts.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <vector>

#include "core/status.h"
#include "cuda/runtime.h"

namespace qavit::cuda {

class GraphCache {
 public:
  // Enqueues the plan's operations; `recording` is true where nothing may wait or be given up half-way.
  using Enqueue = std::function<Status(bool recording)>;

  explicit GraphCache(bool enabled) : enabled_(enabled) {}
  ~GraphCache();
  GraphCache(const GraphCache&) = delete;
  GraphCache& operator=(const GraphCache&) = delete;

  // Gets one run of the plan onto the stream, in whichever way. `addresses` are all that its operations depend on
  // beside the plan. `capture_mutex` is held while recording.
  Status run(cudaStream_t stream, std::mutex& capture_mutex, uint64_t plan_key, std::vector<const void*> addresses,
             const Enqueue& enqueue);

  // Whether a run of the plan with these addresses came before and is remembered.
  bool knows(uint64_t plan_key, const std::vector<const void*>& addresses) const;

  // What run() has done so far; any thread.
  uint64_t launched() const { return launched_; }
  uint64_t recorded() const { return recorded_; }
  uint64_t replayed() const { return replayed_; }

 private:
  static constexpr size_t kPlans = 64;    // shape keys a server meets: batch sizes times question lengths
  static constexpr size_t kBindings = 4;  // sets of addresses of one plan
  // A plan that was refused so often stays with plain launches: one refusal may have had a passing cause.
  static constexpr int kRefusals = 3;

  struct Binding {
    std::vector<const void*> addresses;
    cudaGraphExec_t exec = nullptr;
    bool current = false;  // `exec` works on `addresses`, not on those whose place they took
  };
  struct Recorded {
    uint64_t plan_key = 0;
    int refusals = 0;             // of the driver to record it
    std::list<Binding> bindings;  // most recently used first
  };

  Status launch(const Enqueue& enqueue);
  Recorded& find_plan(uint64_t plan_key);
  // The binding, moved to the front; null where these addresses are new, which are then remembered.
  static Binding* find_binding(Recorded& plan, std::vector<const void*>& addresses);
  // Not recorded and still ok: the driver would not.
  static Status record(cudaStream_t stream, std::mutex& capture_mutex, const Enqueue& enqueue, Binding* binding);

  const bool enabled_;
  std::list<Recorded> plans_;  // most recently used first
  std::atomic<uint64_t> launched_{0};
  std::atomic<uint64_t> recorded_{0};
  std::atomic<uint64_t> replayed_{0};
};

}  // namespace qavit::cuda
