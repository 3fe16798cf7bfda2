// Status: how native code reports failure. Nothing below native/addon throws or exits; only the addon turns
// a Status into a JavaScript QAViTError.
#pragma once

#include <string>
#include <utility>

namespace qavit {

// The codes of QAViTError, one to one (error_code_name gives the JavaScript spelling).
enum class ErrorCode {
  kOk,
  kShape,
  kDType,
  kFormat,
  kUnsupported,
  kOutOfMemory,
  kDevice,
  kAborted,
  kArgument,
  kBusy,
};

// "ERR_SHAPE" and so on; "" for kOk.
const char* error_code_name(ErrorCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == ErrorCode::kOk; }
  ErrorCode code() const { return code_; }
  // "Expected <what> for <where> but received <actual>".
  const std::string& message() const { return message_; }

 private:
  ErrorCode code_ = ErrorCode::kOk;
  std::string message_;
};

// The one wording of a rejected value, as in lib/errors.ts.
Status expected(ErrorCode code, const std::string& what, const std::string& where, const std::string& actual);

}  // namespace qavit

// Returns from the enclosing function when `expression` is a failed Status.
#define QAVIT_RETURN_IF_ERROR(expression)                                      \
  do {                                                                         \
    if (::qavit::Status status_ = (expression); !status_.ok()) return status_; \
  } while (false)
