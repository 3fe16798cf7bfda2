#include "core/status.h"

namespace qavit {

const char* error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOk:
      return "";
    case ErrorCode::kShape:
      return "ERR_SHAPE";
    case ErrorCode::kDType:
      return "ERR_DTYPE";
    case ErrorCode::kFormat:
      return "ERR_FORMAT";
    case ErrorCode::kUnsupported:
      return "ERR_UNSUPPORTED";
    case ErrorCode::kOutOfMemory:
      return "ERR_OUT_OF_MEMORY";
    case ErrorCode::kDevice:
      return "ERR_DEVICE";
    case ErrorCode::kAborted:
      return "ERR_ABORTED";
    case ErrorCode::kArgument:
      return "ERR_ARGUMENT";
    case ErrorCode::kBusy:
      return "ERR_BUSY";
  }
  return "";
}

Status expected(ErrorCode code, const std::string& what, const std::string& where, const std::string& actual) {
  return Status(code, "Expected " + what + " for " + where + " but received " + actual);
}

}  // namespace qavit
