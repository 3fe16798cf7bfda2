// ThreadPool: the compute threads of one CPU device. The thread that calls parallel_for computes too; only one thread
// may call it.
//
// Between two operations of a forward pass there are a few microseconds, so an idle thread first spins; between two
// forward passes there may be seconds, so after kSpinMicroseconds it blocks. A thread that never blocked would halve
// the speed of whatever else wants its core, this library's own other threads included.
//
// A job never waits for a thread that has not taken part: helpers join an open job by counting themselves in, and the
// caller, once no task is left, closes the job and waits for those inside only. A helper that is late (blocked, or
// without a core because another process has it) finds the job closed and costs nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <type_traits>
#include <vector>

namespace qavit::cpu {

class ThreadPool {
 public:
  // `threads` >= 1, the caller of parallel_for included. Throws std::system_error when the system has no more threads.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(helpers_.size()) + 1; }

  // Calls f(task, thread) once for every task in [0, tasks), in any order, and returns when all are done; 0 <= thread <
  // size() tells concurrent calls apart. f must not throw and must not call parallel_for.
  template <typename F>
  void parallel_for(int64_t tasks, F&& f) {
    run(
        tasks,
        [](void* context, int64_t task, int thread) {
          (*static_cast<std::remove_reference_t<F>*>(context))(task, thread);
        },
        const_cast<void*>(static_cast<const void*>(&f)));
  }

 private:
  using Task = void (*)(void* context, int64_t task, int thread);

  void run(int64_t tasks, Task task, void* context);
  void take_tasks(int thread);
  void help(int thread);
  bool join(uint32_t state);
  void stop();

  // The job; written by the caller while no helper is inside.
  Task task_ = nullptr;
  void* context_ = nullptr;
  int64_t tasks_ = 0;

  // state_: job number in the upper 16 bits, a bit that says open, a bit that says stop, the number of helpers inside.
  alignas(64) std::atomic<uint32_t> state_{0};
  alignas(64) std::atomic<int64_t> next_{0};
  std::vector<std::thread> helpers_;
};

}  // namespace qavit::cpu
