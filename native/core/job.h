// Job: a piece of work for a device, from the queue that takes it to whoever gets it back.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "core/abort.h"
#include "core/status.h"

namespace qavit {

class Job {
 public:
  virtual ~Job() = default;

  // Runs it, with `closing` set once the device ends: on the queue thread. What it throws becomes its status.
  void begin(const std::atomic<bool>* closing);

  // Ends it, if it is not over: on the queue thread, or the thread beside it where the device runs ahead.
  void end();

  std::string where;                               // for messages: "plan look"
  std::shared_ptr<const std::atomic<bool>> abort;  // the caller's request; may be null
  Status status;                                   // how it went; final once the job is handed back

 protected:
  // May throw std::exception.
  virtual Status run(const AbortToken& abort) = 0;

  // What is left after a run() that was ok. May throw std::exception.
  virtual Status finish() { return Status(); }

 private:
  friend class JobList;
  std::unique_ptr<Job> next_;  // in the list that it is in
};

// Gets every job back after it ended or was refused. Must not throw.
using Finished = std::function<void(std::unique_ptr<Job>)>;

}  // namespace qavit
