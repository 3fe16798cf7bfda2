#include "addon/device_session.h"

#include <utility>

#include "addon/errors.h"

namespace qavit::addon {

DeviceResource::DeviceResource(std::shared_ptr<DeviceSession> session) : session_(std::move(session)) {
  session_->resources_.insert(this);
}

DeviceResource::~DeviceResource() {
  unaccount();
  session_->resources_.erase(this);
}

void DeviceResource::account(size_t bytes) {
  accounted_ = static_cast<int64_t>(bytes);
  Napi::MemoryManagement::AdjustExternalMemory(session_->env(), accounted_);
}

void DeviceResource::unaccount() {
  if (accounted_ != 0) Napi::MemoryManagement::AdjustExternalMemory(session_->env(), -accounted_);
  accounted_ = 0;
}

DeviceSession::DeviceSession(Napi::Env env, std::shared_ptr<Backend> backend)
    : env_(env),
      backend_(std::move(backend)),
      counters_(std::make_shared<MemoryCounters>()),
      executor_(std::make_unique<Executor>(backend_, counters_)) {}

std::shared_ptr<DeviceSession> DeviceSession::open(Napi::Env env, std::shared_ptr<Backend> backend) {
  std::shared_ptr<DeviceSession> session(new DeviceSession(env, std::move(backend)));
  session->start();
  return session;
}

void DeviceSession::start() {
  const napi_status made =
      napi_create_threadsafe_function(env_, nullptr, nullptr, Napi::String::New(env_, "qavit device"), 0, 1, nullptr,
                                      nullptr, this, on_wake, &wake_function_);
  if (made != napi_ok) throw Napi::Error::New(env_);
  hold_event_loop(false);
  // Hooks run in reverse order, so this one comes before the ThreadSafeFunction's own.
  napi_add_env_cleanup_hook(env_, on_environment_end, this);
  JobQueue::Options options;
  options.finished = [this](std::unique_ptr<Job> job) {
    {
      const std::lock_guard<std::mutex> lock(finished_mutex_);
      finished_.add(std::move(job));
    }
    wake();
  };
  options.idle = [this] { return backend_->idle(); };
  options.stopped = [this] {
    discarded_.clear();
    executor_->release();
    {
      const std::lock_guard<std::mutex> lock(finished_mutex_);
      stopped_ = true;
    }
    wake();
  };
  if (backend_->runs_ahead()) options.under_way = Executor::kRunsUnderWay;
  check(JobQueue::start(std::move(options), &queue_));
}

DeviceSession::~DeviceSession() {
  // No job is left: each holds the session. The thread is idle or already gone.
  queue_.reset();
  if (environment_ended_ || wake_function_ == nullptr) return;
  napi_remove_env_cleanup_hook(env_, on_environment_end, this);
  napi_release_threadsafe_function(wake_function_, napi_tsfn_abort);
}

void DeviceSession::check_open(const char* where) const {
  if (closed_) reject(ErrorCode::kArgument, "an open device", where, "a closed one");
}

Napi::Value DeviceSession::submit(std::unique_ptr<DeviceJob> job) {
  check_open(job->where.c_str());
  job->session = shared_from_this();
  job->deferred = Napi::Promise::Deferred::New(env_);
  const Napi::Value promise = job->deferred->Promise();
  std::unique_ptr<Job> plain = std::move(job);
  check(queue_->submit(plain));
  if (unsettled_++ == 0) hold_event_loop(true);
  return promise;
}

Napi::Value DeviceSession::close() {
  const auto deferred = Napi::Promise::Deferred::New(env_);
  if (queue_ == nullptr) {
    deferred.Resolve(env_.Undefined());
    return deferred.Promise();
  }
  discarded_.reserve(resources_.size());  // nothing below may fail half-way
  closing_.push_back(deferred);
  if (!std::exchange(closed_, true)) {
    hold_event_loop(true);
    for (DeviceResource* resource : resources_) discarded_.push_back(resource->release());
    queue_->stop();
  }
  return deferred.Promise();
}

void DeviceSession::wake() {
  // Refused only when the environment is going away; the cleanup hook then takes what is on the list.
  napi_call_threadsafe_function(wake_function_, nullptr, napi_tsfn_nonblocking);
}

void DeviceSession::on_wake(napi_env env, napi_value, void* context, void*) {
  if (env == nullptr) return;  // the environment is going away; `context` may be gone
  // Settling may drop the last other reference.
  const auto session = static_cast<DeviceSession*>(context)->shared_from_this();
  try {
    session->settle_finished(env);
  } catch (...) {
    // Only a terminating environment refuses to settle a promise; the cleanup hook follows. Nothing may pass through C.
  }
}

void DeviceSession::settle_finished(Napi::Env env) {
  const Napi::HandleScope scope(env);
  JobList finished;
  bool stopped;
  {
    const std::lock_guard<std::mutex> lock(finished_mutex_);
    finished.swap(finished_);
    stopped = stopped_;
  }
  while (!finished.empty()) settle(env, std::unique_ptr<DeviceJob>(static_cast<DeviceJob*>(finished.take().release())));
  if (stopped && queue_ != nullptr) {
    free_everything();
    for (const Napi::Promise::Deferred& deferred : std::exchange(closing_, {})) deferred.Resolve(env.Undefined());
  }
  if (unsettled_ == 0 && closing_.empty()) hold_event_loop(false);
}

void DeviceSession::settle(Napi::Env env, std::unique_ptr<DeviceJob> job) {
  --unsettled_;
  try {
    check(job->status);
    job->deferred->Resolve(job->result(env));
  } catch (...) {
    const Status status = current_exception_status(job->where.c_str());
    job->deferred->Reject(to_js_error(env, status).Value());
  }
}

void DeviceSession::free_everything() {
  queue_.reset();  // joins; the thread has said that it is done
  for (DeviceResource* resource : resources_) resource->release();
  executor_.reset();
  backend_.reset();
}

void DeviceSession::hold_event_loop(bool hold) {
  if (hold) {
    napi_ref_threadsafe_function(env_, wake_function_);
  } else {
    napi_unref_threadsafe_function(env_, wake_function_);
  }
}

void DeviceSession::on_environment_end(void* context) {
  const auto session = static_cast<DeviceSession*>(context)->shared_from_this();
  session->environment_ended_ = true;
  session->closed_ = true;
  session->queue_.reset();  // stops and joins: at most the operation now running is waited for
  JobList finished;
  {
    const std::lock_guard<std::mutex> lock(session->finished_mutex_);
    finished.swap(session->finished_);
  }
  napi_release_threadsafe_function(session->wake_function_, napi_tsfn_abort);
}

}  // namespace qavit::addon
