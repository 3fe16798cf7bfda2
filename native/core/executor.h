// Executor: runs plans on one backend. Brings host inputs in, host outputs out and keeps working memory for all plans,
// which is safe because a device runs one job at a time.
//
// A run has two halves. start() ends when the backend has taken all of it on; where the backend runs ahead, finish()
// waits for the end and copies results out, on a thread of its own, while the next run is started.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/abort.h"
#include "core/backend.h"
#include "core/host_result.h"
#include "core/plan.h"
#include "core/status.h"

namespace qavit {

// What a device holds, for Device.memory; written by the owners of the memory on any thread.
struct MemoryCounters {
  std::atomic<size_t> weight_bytes{0};
  std::atomic<size_t> tensor_bytes{0};
  std::atomic<size_t> arena_bytes{0};
};

// A plan input: dense host bytes, or a buffer already on the device. A state is always the latter, and no other input
// of the run.
struct PlanInput {
  std::vector<uint8_t> host;
  std::shared_ptr<Buffer> device;  // null = host
};

// A plan output: copied to `host`, or kept on the device.
struct PlanOutput {
  std::optional<HostResult> host;  // absent = keep
  std::shared_ptr<Buffer> device;
};

// A run that was started. What it reads and writes must stay until it is finished.
class PlanRun {
 public:
  bool over() const { return completion_ == nullptr; }

 private:
  friend class Executor;

  struct Copy {
    HostResult* to;
    const void* from;
    size_t bytes;
  };

  std::unique_ptr<Completion> completion_;  // null: nothing is under way
  std::shared_ptr<Buffer> results_;         // where outputs lie that are to be copied
  std::vector<Copy> copies_;
};

class Executor {
 public:
  // Runs that may be under way at a time: while one is computed, the results of the one before are copied out.
  static constexpr size_t kRunsUnderWay = 2;

  Executor(std::shared_ptr<Backend> backend, std::shared_ptr<MemoryCounters> counters)
      : backend_(std::move(backend)), counters_(std::move(counters)) {}
  ~Executor() { release(); }
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // On the queue thread. Sizes of inputs and outputs have been checked against the plan. Nothing is under way where it
  // fails.
  Status start(const Plan& plan, const std::vector<PlanInput>& inputs, std::vector<PlanOutput>* outputs,
               const AbortToken& abort, PlanRun* run);

  // Outputs hold their results afterwards. On any thread.
  Status finish(PlanRun* run);

  // A device buffer that counts as tensor memory for as long as it lives.
  Status allocate_tensor(size_t bytes, std::shared_ptr<Buffer>* buffer);

  // Gives the working memory back; the next run takes it again.
  void release();

 private:
  static Status check_states(const Plan& plan, const std::vector<PlanInput>& inputs);
  Status check_indices(const Plan& plan, const std::vector<PlanInput>& inputs) const;
  // Makes *block at least that large.
  Status reserve(size_t bytes, std::shared_ptr<Buffer>* block);
  // The block for results that no run under way uses.
  std::shared_ptr<Buffer>& free_results();
  void count_arena();

  const std::shared_ptr<Backend> backend_;
  const std::shared_ptr<MemoryCounters> counters_;
  // All grow to the largest plan seen. The arena of the running plan, then its host inputs:
  std::shared_ptr<Buffer> workspace_;
  // Its host outputs, apart for each run under way; the first one alone where runs do not follow closely.
  std::array<std::shared_ptr<Buffer>, kRunsUnderWay> results_;
};

}  // namespace qavit
