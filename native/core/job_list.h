// JobList: jobs in the order they came. The links are the jobs' own, so that a thread which hands one on needs no
// memory and cannot fail.
#pragma once

#include <memory>
#include <utility>

#include "core/job.h"

namespace qavit {

class JobList {
 public:
  JobList() = default;
  ~JobList() {
    while (!empty()) (void)take();  // one by one: a job that destroyed its next would recurse
  }
  JobList(const JobList&) = delete;
  JobList& operator=(const JobList&) = delete;

  bool empty() const { return first_ == nullptr; }

  void add(std::unique_ptr<Job> job) {
    Job* const added = job.get();
    (empty() ? first_ : last_->next_) = std::move(job);
    last_ = added;
  }

  // The first one; only where there is one.
  std::unique_ptr<Job> take() {
    std::unique_ptr<Job> job = std::move(first_);
    first_ = std::move(job->next_);
    return job;
  }

  void swap(JobList& other) {
    std::swap(first_, other.first_);
    std::swap(last_, other.last_);
  }

 private:
  std::unique_ptr<Job> first_;
  Job* last_ = nullptr;  // of no meaning where the list is empty
};

}  // namespace qavit
