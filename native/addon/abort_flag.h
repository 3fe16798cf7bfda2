// AbortFlag: the JavaScript side of core's AbortToken.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>
#include <string>

namespace qavit::addon {

// Defines the class on `exports`.
void define_abort_flag(Napi::Env env, Napi::Object exports);

// The flag behind an AbortFlag; null for an absent value.
std::shared_ptr<const std::atomic<bool>> read_abort(Napi::Value value, const std::string& where);

}  // namespace qavit::addon
