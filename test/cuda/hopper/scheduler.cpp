#include "scheduler.h"

#include <algorithm>
#include <numeric>

namespace qavit::cuda::emulation {

Scheduler scheduler;

void Scheduler::enter() {
  ModelThread& thread = *scheduler.current_;
  thread.fiber.entered();
  (*scheduler.kernel_)();
  thread.ended = true;
  thread.fiber.switch_to(scheduler.outside_);
}

// One of the threads [first, first + count) that may go on, if any.
ModelThread* Scheduler::pick_among(unsigned first, unsigned count) {
  const uint32_t skipped = draw(count);
  for (unsigned i = 0; i < count; ++i) {
    ModelThread& thread = threads_[first + (skipped + i) % count];
    if (!thread.ended && (thread.ready == nullptr || (*thread.ready)())) return &thread;
  }
  return nullptr;
}

ModelThread* Scheduler::pick() {
  if (warps_.empty()) return pick_among(0, static_cast<unsigned>(threads_.size()));
  for (const unsigned warp : warps_) {
    if (ModelThread* const found = pick_among(warp * 32, 32)) return found;
  }
  return nullptr;
}

void Scheduler::run(uint3 block_index, unsigned threads, const std::function<void()>& kernel,
                    const std::function<bool()>& engine) {
  kernel_ = &kernel;
  threads_.resize(threads);
  warps_.clear();
  if (draw(2) == 0) {
    warps_.resize(threads / 32);
    std::iota(warps_.begin(), warps_.end(), 0u);
    std::shuffle(warps_.begin(), warps_.end(), random_);
  }
  if (stack_count_ < threads) {
    stacks_ = std::make_unique<FiberStacks>(threads);
    if (!stacks_->ok()) fault("no memory for stacks");
    stack_count_ = threads;
  }
  for (unsigned n = 0; n < threads; ++n) {
    ModelThread& thread = threads_[n];
    thread.position = {{n, 0, 0}, block_index};
    thread.ready = nullptr;
    thread.ended = false;
    thread.fiber.prepare(stacks_->stack(n), stacks_->bytes(n), &Scheduler::enter);
  }
  const uint32_t laziness = 2 + draw(200);  // of the engine
  for (;;) {
    if (draw(laziness) == 0) engine();
    current_ = pick();
    if (current_ != nullptr) {
      outside_.switch_to(current_->fiber);
    } else if (std::all_of(threads_.begin(), threads_.end(), [](const ModelThread& t) { return t.ended; })) {
      break;
    } else if (!engine()) {
      fault("all threads wait and nothing is under way");
    }
  }
  while (engine()) {
  }
}

void Scheduler::wait_until(const std::function<bool()>& ready) {
  ModelThread& thread = *current_;
  thread.ready = &ready;
  thread.fiber.switch_to(outside_);
  thread.ready = nullptr;
}

}  // namespace qavit::cuda::emulation
