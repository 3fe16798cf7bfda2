#include "core/queue.h"

#include <chrono>
#include <exception>
#include <new>
#include <system_error>

namespace qavit {

namespace {

// Longer than between the uploads of a model and its first picture, which idle work must not hold up.
constexpr std::chrono::milliseconds kPause{250};

}  // namespace

Status JobQueue::start(Finished finished, Idle idle, std::function<void()> stopped, std::unique_ptr<JobQueue>* queue) {
  std::unique_ptr<JobQueue> made(new JobQueue(std::move(finished), std::move(idle), std::move(stopped)));
  try {
    made->thread_ = std::thread([raw = made.get()] { raw->loop(); });
  } catch (const std::system_error& error) {
    return expected(ErrorCode::kOutOfMemory, "a thread", "the device's queue", error.what());
  }
  *queue = std::move(made);
  return Status();
}

JobQueue::~JobQueue() {
  stop();
  join();
}

Status JobQueue::submit(std::unique_ptr<Job>& job) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (stopping_) return expected(ErrorCode::kArgument, "an open device", job->where, "a closed one");
  jobs_.push_back(std::move(job));
  wake_.notify_one();
  return Status();
}

void JobQueue::stop() {
  const std::lock_guard<std::mutex> lock(mutex_);
  stopping_ = true;
  wake_.notify_one();
}

void JobQueue::join() {
  if (thread_.joinable()) thread_.join();
}

void JobQueue::loop() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    wait_for_job(lock);
    if (jobs_.empty()) break;  // stopping, and everything has been handed back
    std::unique_ptr<Job> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    execute(*job);
    finished_(std::move(job));
    lock.lock();
  }
  lock.unlock();
  stopped_();
}

// Or for stop().
void JobQueue::wait_for_job(std::unique_lock<std::mutex>& lock) {
  const auto woken = [this] { return stopping_ || !jobs_.empty(); };
  if (wake_.wait_for(lock, kPause, woken)) return;
  for (bool more = true; more && !woken();) {
    lock.unlock();
    try {
      more = idle_();
    } catch (const std::exception&) {
      more = false;  // nobody waits for it, and runs only stay as fast as they are
    }
    lock.lock();
  }
  wake_.wait(lock, woken);
}

void JobQueue::execute(Job& job) const {
  const AbortToken abort(job.abort.get(), &stopping_);
  if (abort.aborted()) {
    job.status = expected(ErrorCode::kAborted, "completion", job.where, abort.reason());
    return;
  }
  try {
    job.status = job.run(abort);
  } catch (const std::bad_alloc&) {
    job.status = expected(ErrorCode::kOutOfMemory, "memory", job.where, "none from the allocator");
  } catch (const std::exception& error) {
    job.status = expected(ErrorCode::kDevice, "completion", job.where, error.what());
  }
}

}  // namespace qavit
