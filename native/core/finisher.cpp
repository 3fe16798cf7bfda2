#include "core/finisher.h"

#include <system_error>

namespace qavit {

Status Finisher::start(size_t most, Finished finished, std::unique_ptr<Finisher>* finisher) {
  std::unique_ptr<Finisher> made(new Finisher(most, std::move(finished)));
  try {
    made->thread_ = std::thread([raw = made.get()] { raw->loop(); });
  } catch (const std::system_error& error) {
    return expected(ErrorCode::kOutOfMemory, "a second thread", "the device's queue", error.what());
  }
  *finisher = std::move(made);
  return Status();
}

Finisher::~Finisher() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Finisher::wait_for_room() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return under_way_ < most_; });
}

void Finisher::add(std::unique_ptr<Job> job) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    jobs_.add(std::move(job));
    ++under_way_;
  }
  changed_.notify_all();
}

void Finisher::loop() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    std::unique_ptr<Job> job = jobs_.take();
    lock.unlock();
    job->end();
    finished_(std::move(job));
    lock.lock();
    --under_way_;
    changed_.notify_all();
  }
}

}  // namespace qavit
