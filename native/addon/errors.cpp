#include "addon/errors.h"

#include <new>

#include "addon/environment.h"

namespace qavit::addon {

void reject(ErrorCode code, const std::string& what, const std::string& where, const std::string& actual) {
  throw StatusError(expected(code, what, where, actual));
}

Napi::Error to_js_error(Napi::Env env, const Status& status) {
  const char* const code = error_code_name(status.code());
  Napi::FunctionReference& error_class = environment(env).error_class;
  if (!error_class.IsEmpty()) {
    const Napi::Value error = error_class.New({Napi::String::New(env, code), Napi::String::New(env, status.message())});
    return Napi::Error(env, error);
  }
  Napi::Error error = Napi::Error::New(env, status.message());
  error.Set("code", Napi::String::New(env, code));
  return error;
}

Status current_exception_status(const char* where) {
  try {
    throw;
  } catch (const StatusError& error) {
    return error.status();
  } catch (const std::bad_alloc&) {
    return expected(ErrorCode::kOutOfMemory, "memory", where, "none from the allocator");
  } catch (const Napi::Error& error) {
    // Thrown by a getter, a proxy trap or a conversion while arguments were read.
    return expected(ErrorCode::kArgument, "readable arguments", where, "an exception: " + error.Message());
  } catch (const std::exception& error) {
    return expected(ErrorCode::kArgument, "usable arguments", where, std::string("an exception: ") + error.what());
  }
}

}  // namespace qavit::addon
