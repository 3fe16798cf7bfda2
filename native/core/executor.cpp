#include "core/executor.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/arena.h"

namespace qavit {

namespace {

// Places dense blocks one behind another behind the arena.
class Staging {
 public:
  explicit Staging(size_t start) : end_(start) {}

  size_t add(size_t bytes) {
    const size_t offset = end_;
    const auto rounded = aligned(bytes);
    if (!rounded || *rounded > SIZE_MAX - end_) {
      fits_ = false;
    } else {
      end_ += *rounded;
    }
    return offset;
  }

  bool fits() const { return fits_; }
  size_t end() const { return end_; }

 private:
  size_t end_;
  bool fits_ = true;
};

}  // namespace

Status Executor::start(const Plan& plan, const std::vector<PlanInput>& inputs, std::vector<PlanOutput>* outputs,
                       const AbortToken& abort, PlanRun* run) {
  const PlanDescription& description = plan.description();
  QAVIT_RETURN_IF_ERROR(check_states(plan, inputs));
  QAVIT_RETURN_IF_ERROR(check_indices(plan, inputs));

  const auto output_bytes = [&](size_t i) {
    return description.values[static_cast<size_t>(description.outputs[i])].bytes();
  };
  Staging staged_inputs(plan.arena_bytes());
  Staging staged_outputs(0);
  std::vector<size_t> input_offsets(inputs.size(), 0);
  std::vector<size_t> output_offsets(outputs->size(), 0);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].device) input_offsets[i] = staged_inputs.add(inputs[i].host.size());
  }
  for (size_t i = 0; i < outputs->size(); ++i) {
    if ((*outputs)[i].host) output_offsets[i] = staged_outputs.add(output_bytes(i));
  }
  if (!staged_inputs.fits() || !staged_outputs.fits()) {
    return expected(ErrorCode::kOutOfMemory, "inputs and outputs that fit in memory", "plan " + description.name,
                    "more");
  }
  std::shared_ptr<Buffer>& results = free_results();
  QAVIT_RETURN_IF_ERROR(reserve(staged_inputs.end(), &workspace_));
  if (staged_outputs.end() > 0) QAVIT_RETURN_IF_ERROR(reserve(staged_outputs.end(), &results));

  auto* const workspace = static_cast<char*>(workspace_->data);
  std::vector<void*> input_data(inputs.size());
  std::vector<void*> output_data(outputs->size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    input_data[i] = inputs[i].device ? inputs[i].device->data : workspace + input_offsets[i];
    if (!inputs[i].device)
      QAVIT_RETURN_IF_ERROR(backend_->copy_in(inputs[i].host.data(), input_data[i], inputs[i].host.size()));
  }
  for (size_t i = 0; i < outputs->size(); ++i) {
    PlanOutput& output = (*outputs)[i];
    if (!output.host) {
      QAVIT_RETURN_IF_ERROR(allocate_tensor(output_bytes(i), &output.device));
      output_data[i] = output.device->data;
      continue;
    }
    output_data[i] = static_cast<char*>(results->data) + output_offsets[i];
    run->copies_.push_back({&*output.host, output_data[i], output_bytes(i)});
  }
  run->results_ = results;
  const Status begun = backend_->run_all(plan.bind(workspace, input_data, output_data), abort, plan.key());
  count_arena();  // the run may have enlarged the backend's
  const Status marked = backend_->mark(&run->completion_);
  if (begun.ok() && marked.ok()) return Status();
  // Waited for: what was begun works on memory of the caller's.
  if (run->completion_ != nullptr) (void)run->completion_->wait();
  *run = {};
  return begun.ok() ? marked : begun;
}

Status Executor::finish(PlanRun* run) {
  const PlanRun ending = std::exchange(*run, {});
  if (ending.completion_ != nullptr) QAVIT_RETURN_IF_ERROR(ending.completion_->wait());
  for (const PlanRun::Copy& copy : ending.copies_) {
    QAVIT_RETURN_IF_ERROR(backend_->copy_out(copy.from, copy.bytes, [&](const char* from, size_t offset, size_t count) {
      copy.to->take(from, offset, count);
    }));
  }
  return Status();
}

Status Executor::check_states(const Plan& plan, const std::vector<PlanInput>& inputs) {
  const PlanDescription& description = plan.description();
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (description.values[static_cast<size_t>(description.inputs[i])].kind != ValueKind::kState) continue;
    const std::string where = "state " + std::to_string(i) + " of plan " + description.name;
    if (!inputs[i].device) return expected(ErrorCode::kArgument, "a tensor on the device", where, "an array");
    for (size_t other = 0; other < inputs.size(); ++other) {
      if (other == i || inputs[other].device != inputs[i].device) continue;
      return expected(ErrorCode::kArgument, "a tensor of its own", where,
                      "the one that is input " + std::to_string(other));
    }
  }
  return Status();
}

Status Executor::check_indices(const Plan& plan, const std::vector<PlanInput>& inputs) const {
  const PlanDescription& description = plan.description();
  std::vector<bool> checked(inputs.size(), false);
  for (const IndexRule& rule : plan.index_rules()) {
    if (checked[rule.input]) continue;
    checked[rule.input] = true;  // one look at an input covers all of its rules
    const PlanInput& input = inputs[rule.input];
    if (!input.device) {
      QAVIT_RETURN_IF_ERROR(plan.check_indices(rule.input, input.host.data()));
      continue;
    }
    std::vector<uint8_t> copy(description.values[static_cast<size_t>(description.inputs[rule.input])].bytes());
    std::unique_ptr<Completion> written;
    QAVIT_RETURN_IF_ERROR(backend_->mark(&written));
    if (written != nullptr) QAVIT_RETURN_IF_ERROR(written->wait());
    QAVIT_RETURN_IF_ERROR(backend_->copy_out(
        input.device->data, copy.size(),
        [&](const char* from, size_t offset, size_t count) { std::memcpy(copy.data() + offset, from, count); }));
    QAVIT_RETURN_IF_ERROR(plan.check_indices(rule.input, copy.data()));
  }
  return Status();
}

Status Executor::reserve(size_t bytes, std::shared_ptr<Buffer>* block) {
  bytes = std::max(bytes, kAlignment);  // a plan may need none; its address must still be a real one
  if (*block && (*block)->bytes >= bytes) return Status();
  block->reset();  // before the larger block is taken, so that both never exist at once
  count_arena();
  QAVIT_RETURN_IF_ERROR(backend_->allocate(bytes, block));
  count_arena();
  return Status();
}

std::shared_ptr<Buffer>& Executor::free_results() {
  const auto found =
      std::find_if(results_.begin(), results_.end(), [](const auto& block) { return block.use_count() <= 1; });
  if (found != results_.end()) return *found;
  results_.back().reset();  // its run keeps it
  return results_.back();
}

void Executor::count_arena() {
  size_t bytes = backend_->scratch_bytes() + (workspace_ ? workspace_->bytes : 0);
  for (const std::shared_ptr<Buffer>& block : results_) bytes += block ? block->bytes : 0;
  counters_->arena_bytes = bytes;
}

Status Executor::allocate_tensor(size_t bytes, std::shared_ptr<Buffer>* buffer) {
  std::shared_ptr<Buffer> made;
  QAVIT_RETURN_IF_ERROR(backend_->allocate(bytes, &made));
  counters_->tensor_bytes += bytes;
  Buffer* const raw = made.get();
  // The deleter holds the backend: its memory must not outlive it.
  *buffer = std::shared_ptr<Buffer>(
      raw, [made = std::move(made), backend = backend_, counters = counters_, bytes](Buffer*) mutable {
        made.reset();
        counters->tensor_bytes -= bytes;
      });
  return Status();
}

void Executor::release() {
  workspace_.reset();
  for (std::shared_ptr<Buffer>& block : results_) block.reset();
  counters_->arena_bytes = 0;
}

}  // namespace qavit
