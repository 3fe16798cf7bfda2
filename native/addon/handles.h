// Opaque, type-tagged handles: JavaScript objects that carry a C++ object. A tag check comes before every unwrap, so
// that an object of another kind, a plain object or a proxy is an error and never a wrong cast.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "addon/arguments.h"
#include "addon/errors.h"

namespace qavit::addon {

// Each handled class has `static constexpr napi_type_tag kTag` and `static constexpr const char* kName` ("a Weight").

// The object that owns `content` from now on; it is deleted with the object.
template <typename T>
Napi::Object wrap(Napi::Env env, std::unique_ptr<T> content) {
  Napi::Object object = Napi::Object::New(env);
  object.TypeTag(&T::kTag);
  const auto finalize = [](napi_env, void* data, void*) { delete static_cast<T*>(data); };
  if (napi_wrap(env, object, content.get(), finalize, nullptr, nullptr) != napi_ok) throw Napi::Error::New(env);
  content.release();
  return object;
}

template <typename T>
T& unwrap(Napi::Value value, const std::string& where) {
  void* content = nullptr;
  const bool tagged = value.IsObject() && value.As<Napi::Object>().CheckTypeTag(&T::kTag);
  if (!tagged || napi_unwrap(value.Env(), value, &content) != napi_ok || content == nullptr) {
    reject(ErrorCode::kArgument, T::kName, where, describe(value));
  }
  return *static_cast<T*>(content);
}

// A property that can neither be changed nor removed.
inline void set_constant(Napi::Object object, const char* name, Napi::Value value) {
  object.DefineProperty(Napi::PropertyDescriptor::Value(name, value, napi_enumerable));
}

}  // namespace qavit::addon
