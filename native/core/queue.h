// JobQueue: the thread on which a device works. Jobs run one after another in the order they were submitted; where the
// device runs ahead, a second thread waits for the end of one while the next is begun.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "core/finisher.h"
#include "core/job_list.h"
#include "core/status.h"

namespace qavit {

class JobQueue {
 public:
  // Called on the queue thread when no job has come for a quarter of a second, again and again until one comes or it
  // says false, and anew after the next job. A job that comes meanwhile waits for it.
  using Idle = std::function<bool()>;

  struct Options {
    Finished finished;  // on either thread, in the order of submission
    Idle idle;
    std::function<void()> stopped;  // the last thing the queue's thread calls
    size_t under_way = 1;           // jobs that may be begun and not ended; more than one take the second thread
  };

  // Starts the threads: ERR_OUT_OF_MEMORY when the system has none to give.
  static Status start(Options options, std::unique_ptr<JobQueue>* queue);

  // stop() and wait.
  ~JobQueue();

  // ERR_ARGUMENT after stop(); the job is then handed back through `job`.
  Status submit(std::unique_ptr<Job>& job);

  // Ends the running job at its next look at the token and all waiting ones with ERR_ABORTED. Returns at once;
  // idempotent.
  void stop();

  // Waits until the thread has ended. Call stop() first; not from the queue thread.
  void join();

 private:
  explicit JobQueue(Options options) : options_(std::move(options)) {}

  void loop();
  void wait_for_job(std::unique_lock<std::mutex>& lock);

  const Options options_;
  std::unique_ptr<Finisher> finisher_;  // null: jobs are ended on the queue thread
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;  // guards jobs_ and the sleep
  std::condition_variable wake_;
  JobList jobs_;
  std::thread thread_;
};

}  // namespace qavit
