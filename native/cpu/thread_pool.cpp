#include "cpu/thread_pool.h"

#include <chrono>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace qavit::cpu {

namespace {

constexpr uint32_t kOpen = 0x8000u;
constexpr uint32_t kStop = 0x4000u;
constexpr uint32_t kInside = 0x3fffu;
constexpr uint32_t kNextJob = 0x10000u;

constexpr uint32_t job_of(uint32_t state) { return state & ~(kNextJob - 1); }

// Longer than the gaps inside a forward pass (under 10 us measured), far shorter than a scheduler's time slice.
constexpr int kSpinMicroseconds = 50;

void pause() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
  __asm__ volatile("yield");
#endif
}

// The first value of `state` that satisfies `done`; spins, then blocks. Whoever makes it true must notify.
template <typename Done>
uint32_t wait_until(const std::atomic<uint32_t>& state, Done&& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(kSpinMicroseconds);
  do {
    for (int i = 0; i < 64; ++i) {
      const uint32_t value = state.load(std::memory_order_acquire);
      if (done(value)) return value;
      pause();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  while (true) {
    const uint32_t value = state.load(std::memory_order_acquire);
    if (done(value)) return value;
    state.wait(value, std::memory_order_acquire);
  }
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  helpers_.reserve(static_cast<size_t>(threads - 1));
  try {
    for (int thread = 1; thread < threads; ++thread) helpers_.emplace_back([this, thread] { help(thread); });
  } catch (...) {
    stop();
    throw;
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  state_.fetch_or(kStop, std::memory_order_release);
  state_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
  helpers_.clear();
}

void ThreadPool::run(int64_t tasks, Task task, void* context) {
  if (tasks <= 1 || helpers_.empty()) {
    for (int64_t i = 0; i < tasks; ++i) task(context, i, 0);
    return;
  }
  task_ = task;
  context_ = context;
  tasks_ = tasks;
  next_.store(0, std::memory_order_relaxed);
  const uint32_t job = job_of(state_.load(std::memory_order_relaxed)) + kNextJob;
  state_.store(job | kOpen, std::memory_order_release);
  state_.notify_all();
  take_tasks(0);
  state_.fetch_and(~kOpen, std::memory_order_relaxed);
  wait_until(state_, [](uint32_t state) { return (state & kInside) == 0; });
}

void ThreadPool::take_tasks(int thread) {
  for (int64_t task; (task = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_;) task_(context_, task, thread);
}

// Counts this helper into the job of `state` unless the job has been closed meanwhile.
bool ThreadPool::join(uint32_t state) {
  const uint32_t job = job_of(state);
  while ((state & kOpen) != 0 && job_of(state) == job) {
    if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acquire, std::memory_order_acquire))
      return true;
  }
  return false;
}

void ThreadPool::help(int thread) {
  uint32_t seen =
      0;  // the last job noticed; 65,536 jobs later the number returns, which costs this helper that one job
  while (true) {
    const uint32_t state = wait_until(state_, [seen](uint32_t value) {
      return (value & kStop) != 0 || ((value & kOpen) != 0 && job_of(value) != seen);
    });
    if ((state & kStop) != 0) return;
    seen = job_of(state);
    if (!join(state)) continue;
    take_tasks(thread);
    const uint32_t left = state_.fetch_sub(1, std::memory_order_release) - 1;
    if ((left & (kOpen | kInside)) == 0) state_.notify_all();  // the caller may be blocked on this
  }
}

}  // namespace qavit::cpu
