// DeviceSession: everything behind one open Device: the backend, its queue thread, and the way back to JavaScript.
//
// Threads. The JavaScript thread submits jobs; the queue thread runs them; a finished job is put on a list and the
// JavaScript thread is woken through a ThreadSafeFunction to settle its promise. Jobs hold JavaScript handles, so they
// are made, settled and destroyed on the JavaScript thread only; the queue thread calls nothing but Job::run.
//
// Ownership. Device, every handle and every job hold the session; it dies when the last of them does. A terminating
// environment (worker.terminate) stops and joins the queue thread in a cleanup hook, before anything it could touch
// goes away; promises that were open then stay unsettled, since no JavaScript runs any more.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/backend.h"
#include "core/executor.h"
#include "core/job_list.h"
#include "core/queue.h"

namespace qavit::addon {

class DeviceSession;

// A job whose end settles a promise.
class DeviceJob : public Job {
 public:
  // On the JavaScript thread, after run() succeeded: what the promise resolves to.
  virtual Napi::Value result(Napi::Env env) = 0;

  // Both set by submit(): a promise that is never settled is never freed either, so a job that is not submitted must
  // have none.
  std::optional<Napi::Promise::Deferred> deferred;
  std::shared_ptr<DeviceSession> session;
};

// A handle's hold on device memory, given up when the device is closed. JavaScript thread only.
class DeviceResource {
 public:
  explicit DeviceResource(std::shared_ptr<DeviceSession> session);
  virtual ~DeviceResource();
  DeviceResource(const DeviceResource&) = delete;
  DeviceResource& operator=(const DeviceResource&) = delete;

  // Lets go of what the handle has; the memory is freed with the last owner.
  virtual std::shared_ptr<const void> release() = 0;
  const std::shared_ptr<DeviceSession>& session() const { return session_; }

 protected:
  // Tells V8 about memory it cannot see, so that it collects handles in time. Returned on release or destruction.
  void account(size_t bytes);
  void unaccount();

 private:
  const std::shared_ptr<DeviceSession> session_;
  int64_t accounted_ = 0;
};

class DeviceSession : public std::enable_shared_from_this<DeviceSession> {
 public:
  // Throws StatusError when no thread can be started.
  static std::shared_ptr<DeviceSession> open(Napi::Env env, std::shared_ptr<Backend> backend);
  ~DeviceSession();

  Napi::Env env() const { return env_; }
  bool closed() const { return closed_; }
  const Backend& backend() const { return *backend_; }
  const MemoryCounters& counters() const { return *counters_; }

  // Throws ERR_ARGUMENT when the device is closed.
  void check_open(const char* where) const;

  // Hands the job to the queue; the promise of its end.
  Napi::Value submit(std::unique_ptr<DeviceJob> job);

  // The promise of the device's end; the same end for every call.
  Napi::Value close();

  // For jobs, on the queue thread.
  Backend& queue_backend() { return *backend_; }
  Executor& queue_executor() { return *executor_; }
  const std::shared_ptr<Backend>& shared_backend() const { return backend_; }
  const std::shared_ptr<MemoryCounters>& shared_counters() const { return counters_; }

 private:
  friend class DeviceResource;

  DeviceSession(Napi::Env env, std::shared_ptr<Backend> backend);

  void start();
  void wake();                                                                        // queue thread
  static void on_wake(napi_env env, napi_value callback, void* context, void* data);  // JavaScript thread
  static void on_environment_end(void* context);
  void settle_finished(Napi::Env env);
  void settle(Napi::Env env, std::unique_ptr<DeviceJob> job);
  void free_everything();
  void hold_event_loop(bool hold);

  const Napi::Env env_;
  std::shared_ptr<Backend> backend_;
  const std::shared_ptr<MemoryCounters> counters_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<JobQueue> queue_;
  napi_threadsafe_function wake_function_ = nullptr;

  // JavaScript thread only.
  size_t unsettled_ = 0;
  bool closed_ = false;
  bool environment_ended_ = false;
  std::vector<Napi::Promise::Deferred> closing_;
  std::unordered_set<DeviceResource*> resources_;

  // What handles had when the device was closed: the queue thread frees it, which takes 65 ms a gigabyte.
  std::vector<std::shared_ptr<const void>> discarded_;

  std::mutex finished_mutex_;  // guards the two below
  JobList finished_;
  bool stopped_ = false;
};

}  // namespace qavit::addon
