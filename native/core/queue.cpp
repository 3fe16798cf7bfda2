#include "core/queue.h"

#include <chrono>
#include <exception>
#include <system_error>

namespace qavit {

namespace {

// Longer than between the uploads of a model and its first picture, which idle work must not hold up.
constexpr std::chrono::milliseconds kPause{250};

}  // namespace

Status JobQueue::start(Options options, std::unique_ptr<JobQueue>* queue) {
  std::unique_ptr<JobQueue> made(new JobQueue(std::move(options)));
  const size_t most = made->options_.under_way;
  if (most > 1) QAVIT_RETURN_IF_ERROR(Finisher::start(most, made->options_.finished, &made->finisher_));
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
  jobs_.add(std::move(job));
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
    std::unique_ptr<Job> job = jobs_.take();
    lock.unlock();
    if (finisher_ != nullptr) {
      finisher_->wait_for_room();
      job->begin(&stopping_);
      finisher_->add(std::move(job));
    } else {
      job->begin(&stopping_);
      job->end();
      options_.finished(std::move(job));
    }
    lock.lock();
  }
  lock.unlock();
  finisher_.reset();
  options_.stopped();
}

// Or for stop().
void JobQueue::wait_for_job(std::unique_lock<std::mutex>& lock) {
  const auto woken = [this] { return stopping_ || !jobs_.empty(); };
  if (wake_.wait_for(lock, kPause, woken)) return;
  for (bool more = true; more && !woken();) {
    lock.unlock();
    try {
      more = options_.idle();
    } catch (const std::exception&) {
      more = false;  // nobody waits for it, and runs only stay as fast as they are
    }
    lock.lock();
  }
  wake_.wait(lock, woken);
}

}  // namespace qavit
