// Finisher: the second thread of a queue whose device runs ahead: it waits for jobs that have been begun, one after
// another, while the queue's own thread begins the next.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>

#include "core/job_list.h"
#include "core/status.h"

namespace qavit {

class Finisher {
 public:
  // Starts the thread: ERR_OUT_OF_MEMORY when the system has none to give. `most` is how many jobs may be begun and not
  // ended; `finished` gets them back on this thread, in order.
  static Status start(size_t most, Finished finished, std::unique_ptr<Finisher>* finisher);

  // Ends all jobs that were begun, and waits for that.
  ~Finisher();
  Finisher(const Finisher&) = delete;
  Finisher& operator=(const Finisher&) = delete;

  // Waits until one more job may be begun.
  void wait_for_room();

  // A job that was run, whether anything of it is left or not.
  void add(std::unique_ptr<Job> job);

 private:
  Finisher(size_t most, Finished finished) : most_(most), finished_(std::move(finished)) {}

  void loop();

  const size_t most_;
  const Finished finished_;
  std::mutex mutex_;  // guards the three below
  std::condition_variable changed_;
  JobList jobs_;          // begun, and to be ended
  size_t under_way_ = 0;  // those, and the one that is being ended
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace qavit
