// The border between Status and JavaScript exceptions. Inside native/addon failures travel as StatusError; the guards
// at each entry turn everything that may be thrown into a QAViTError, so that no C++ exception and no foreign error
// type gets out.
#pragma once

#include <napi.h>

#include <exception>
#include <string>
#include <utility>

#include "core/status.h"

namespace qavit::addon {

class StatusError : public std::exception {
 public:
  explicit StatusError(Status status) : status_(std::move(status)) {}
  const Status& status() const { return status_; }
  const char* what() const noexcept override { return status_.message().c_str(); }

 private:
  Status status_;
};

// Throws a failed Status.
inline void check(Status status) {
  if (!status.ok()) throw StatusError(std::move(status));
}

// throw `expected(...)`
[[noreturn]] void reject(ErrorCode code, const std::string& what, const std::string& where, const std::string& actual);

// The QAViTError of a failed Status (a plain Error with `code` before setErrorClass).
Napi::Error to_js_error(Napi::Env env, const Status& status);

// What the exception now being handled means; call inside a catch block. `where` names the entry: "Device.run".
Status current_exception_status(const char* where);

// A synchronous entry: throws QAViTError.
template <typename F>
auto guard(Napi::Env env, const char* where, F&& body) -> decltype(body()) {
  try {
    return body();
  } catch (...) {
    throw to_js_error(env, current_exception_status(where));
  }
}

// An asynchronous entry: every failure, that of reading the arguments too, rejects the promise.
template <typename F>
Napi::Value guard_promise(Napi::Env env, const char* where, F&& body) {
  try {
    return body();
  } catch (...) {
    const auto deferred = Napi::Promise::Deferred::New(env);
    deferred.Reject(to_js_error(env, current_exception_status(where)).Value());
    return deferred.Promise();
  }
}

}  // namespace qavit::addon
