// Executor: runs plans on one backend. Brings host inputs in, host outputs out and keeps one block of working memory
// for all plans, which is safe because a device runs one job at a time.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/abort.h"
#include "core/backend.h"
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

// A plan output: copied to `host` (which holds the value's bytes), or kept on the device.
struct PlanOutput {
  void* host = nullptr;  // null = keep
  std::shared_ptr<Buffer> device;
};

class Executor {
 public:
  Executor(std::shared_ptr<Backend> backend, std::shared_ptr<MemoryCounters> counters)
      : backend_(std::move(backend)), counters_(std::move(counters)) {}
  ~Executor() { release(); }
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // On the queue thread. Sizes of inputs and outputs have been checked against the plan.
  Status run(const Plan& plan, const std::vector<PlanInput>& inputs, std::vector<PlanOutput>* outputs,
             const AbortToken& abort);

  // A device buffer that counts as tensor memory for as long as it lives.
  Status allocate_tensor(size_t bytes, std::shared_ptr<Buffer>* buffer);

  // Gives the working memory back; the next run takes it again.
  void release();

 private:
  static Status check_states(const Plan& plan, const std::vector<PlanInput>& inputs);
  Status check_indices(const Plan& plan, const std::vector<PlanInput>& inputs) const;
  Status reserve(size_t bytes);

  const std::shared_ptr<Backend> backend_;
  const std::shared_ptr<MemoryCounters> counters_;
  // Arena of the running plan, then its host inputs and outputs. Grows to the largest plan seen.
  std::shared_ptr<Buffer> workspace_;
};

}  // namespace qavit
