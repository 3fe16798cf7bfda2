// JobQueue: the one thread on which a device works. Jobs run one after another in the order they were submitted.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "core/abort.h"
#include "core/status.h"

namespace qavit {

class Job {
 public:
  virtual ~Job() = default;

  // On the queue thread. May throw std::exception; the queue turns it into a Status.
  virtual Status run(const AbortToken& abort) = 0;

  std::string where;                               // for messages: "plan look"
  std::shared_ptr<const std::atomic<bool>> abort;  // the caller's request; may be null
  Status status;                                   // how it ended; set before the job is handed back
};

class JobQueue {
 public:
  // Gets every submitted job back, on the queue thread, after it ran or was refused. Must not throw.
  using Finished = std::function<void(std::unique_ptr<Job>)>;

  // Called on the queue thread when no job has come for a quarter of a second, again and again until one comes or it
  // says false, and anew after the next job. A job that comes meanwhile waits for it.
  using Idle = std::function<bool()>;

  // Starts the thread: ERR_OUT_OF_MEMORY when the system has none to give. `stopped` is the last thing the thread
  // calls.
  static Status start(Finished finished, Idle idle, std::function<void()> stopped, std::unique_ptr<JobQueue>* queue);

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
  JobQueue(Finished finished, Idle idle, std::function<void()> stopped)
      : finished_(std::move(finished)), idle_(std::move(idle)), stopped_(std::move(stopped)) {}

  void loop();
  void wait_for_job(std::unique_lock<std::mutex>& lock);
  void execute(Job& job) const;

  const Finished finished_;
  const Idle idle_;
  const std::function<void()> stopped_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;  // guards jobs_ and the sleep
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Job>> jobs_;
  std::thread thread_;
};

}  // namespace qavit
