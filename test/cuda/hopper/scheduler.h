// Threads of a block as fibers; see model.h.
#pragma once

#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "cuda/emulation/fiber.h"
#include "model.h"

namespace qavit::cuda::emulation {

struct ModelThread {
  Fiber fiber;
  ThreadPosition position;
  const std::function<bool()>* ready = nullptr;  // on its own stack; null: it may go on
  bool ended = false;
};

class Scheduler {
 public:
  // `engine`: does one thing that is under way, of those that no thread waits with; false where there is none.
  void run(uint3 block_index, unsigned threads, const std::function<void()>& kernel,
           const std::function<bool()>& engine);
  void wait_until(const std::function<bool()>& ready);
  ModelThread& current() { return *current_; }
  void set_seed(uint64_t seed) { random_.seed(seed); }
  uint32_t draw(uint32_t sides) { return static_cast<uint32_t>(random_() % sides); }

 private:
  static void enter();
  ModelThread* pick();
  ModelThread* pick_among(unsigned first, unsigned count);

  std::mt19937_64 random_{1};
  std::vector<ModelThread> threads_;
  std::vector<unsigned> warps_;  // the one that is to be furthest ahead first; empty: any thread
  ModelThread* current_ = nullptr;
  const std::function<void()>* kernel_ = nullptr;
  Fiber outside_;
  std::unique_ptr<FiberStacks> stacks_;
  unsigned stack_count_ = 0;
};

extern Scheduler scheduler;

}  // namespace qavit::cuda::emulation
