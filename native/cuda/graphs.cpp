#include "cuda/graphs.h"

#include <algorithm>
#include <utility>

#include "cuda/launch.h"

namespace qavit::cuda {

namespace {

constexpr const char* kWhere = "a CUDA graph";

void destroy(cudaGraphExec_t exec) {
  if (exec != nullptr) (void)cudaGraphExecDestroy(exec);
}

}  // namespace

GraphCache::~GraphCache() {
  for (Recorded& plan : plans_) {
    for (Binding& binding : plan.bindings) destroy(binding.exec);
  }
}

Status GraphCache::run(cudaStream_t stream, std::mutex& capture_mutex, uint64_t plan_key,
                       std::vector<const void*> addresses, const Enqueue& enqueue) {
  if (!enabled_) return launch(enqueue);
  Recorded& plan = find_plan(plan_key);
  const bool given_up = plan.refusals == kRefusals;
  Binding* const binding = given_up ? nullptr : find_binding(plan, addresses);
  if (binding == nullptr) {
    const Status launched = launch(enqueue);
    // Given up half-way it has loaded some kernels only: the next run with these addresses is a first one again.
    if (!launched.ok() && !given_up) plan.bindings.front().addresses.clear();
    return launched;
  }
  if (!binding->current) {
    QAVIT_RETURN_IF_ERROR(record(stream, capture_mutex, enqueue, binding));
    if (!binding->current) {
      ++plan.refusals;
      return launch(enqueue);
    }
    ++recorded_;
  }
  ++replayed_;
  return check(cudaGraphLaunch(binding->exec, stream), kWhere);
}

bool GraphCache::knows(uint64_t plan_key, const std::vector<const void*>& addresses) const {
  return std::any_of(plans_.begin(), plans_.end(), [&](const Recorded& plan) {
    return plan.plan_key == plan_key &&
           std::any_of(plan.bindings.begin(), plan.bindings.end(),
                       [&](const Binding& binding) { return binding.addresses == addresses; });
  });
}

Status GraphCache::launch(const Enqueue& enqueue) {
  ++launched_;
  return enqueue(false);
}

GraphCache::Recorded& GraphCache::find_plan(uint64_t plan_key) {
  const auto found =
      std::find_if(plans_.begin(), plans_.end(), [&](const Recorded& plan) { return plan.plan_key == plan_key; });
  if (found != plans_.end()) {
    plans_.splice(plans_.begin(), plans_, found);
    return plans_.front();
  }
  if (plans_.size() == kPlans) {
    for (Binding& binding : plans_.back().bindings) destroy(binding.exec);
    plans_.pop_back();
  }
  plans_.push_front({plan_key, 0, {}});
  return plans_.front();
}

GraphCache::Binding* GraphCache::find_binding(Recorded& plan, std::vector<const void*>& addresses) {
  std::list<Binding>& bindings = plan.bindings;
  const auto found = std::find_if(bindings.begin(), bindings.end(),
                                  [&](const Binding& binding) { return binding.addresses == addresses; });
  if (found != bindings.end()) {
    bindings.splice(bindings.begin(), bindings, found);
    return &bindings.front();
  }
  if (bindings.size() < kBindings) {
    bindings.push_front({std::move(addresses)});
    return nullptr;
  }
  // The oldest gives its place up; were the new addresses to come back, its graph would be brought to them, which is
  // cheaper than a new one. Until then the graph must not run: it writes to the old addresses.
  bindings.splice(bindings.begin(), bindings, std::prev(bindings.end()));
  bindings.front().addresses = std::move(addresses);
  bindings.front().current = false;
  return nullptr;
}

Status GraphCache::record(cudaStream_t stream, std::mutex& capture_mutex, const Enqueue& enqueue, Binding* binding) {
  cudaGraph_t graph = nullptr;
  {
    const std::lock_guard<std::mutex> lock(capture_mutex);
    // Thread-local: other threads may go on allocating and waiting on streams of their own.
    if (cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) != cudaSuccess) {
      (void)cudaGetLastError();
      return Status();
    }
    const Status enqueued = enqueue(true);
    const cudaError_t ended = cudaStreamEndCapture(stream, &graph);
    if (!enqueued.ok() || ended != cudaSuccess) {
      (void)cudaGetLastError();
      if (graph != nullptr) (void)cudaGraphDestroy(graph);
      // The plain launches that follow tell a real error from one of recording.
      return Status();
    }
  }
  if (binding->exec != nullptr) {
    cudaGraphExecUpdateResultInfo result = {};
    binding->current = cudaGraphExecUpdate(binding->exec, graph, &result) == cudaSuccess;
    if (!binding->current) {
      (void)cudaGetLastError();
      destroy(std::exchange(binding->exec, nullptr));
    }
  }
  if (!binding->current) binding->current = cudaGraphInstantiate(&binding->exec, graph, 0) == cudaSuccess;
  (void)cudaGetLastError();
  (void)cudaGraphDestroy(graph);
  return Status();
}

}  // namespace qavit::cuda
