// Reading JavaScript values with every type and range checked. Failures throw StatusError (ERR_ARGUMENT unless said
// otherwise) with `where` naming the value: "inputs[0] of Device.run".
#pragma once

#include <napi.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "addon/errors.h"
#include "core/dtype.h"
#include "core/names.h"
#include "core/shape.h"

namespace qavit::addon {

// The largest integer a JavaScript number holds exactly.
inline constexpr int64_t kMaxInteger = (int64_t{1} << 53) - 1;

// A value as messages show it: short, with its type, never its whole content.
std::string describe(Napi::Value value);

inline bool absent(Napi::Value value) { return value.IsUndefined() || value.IsNull(); }

Napi::Object read_object(Napi::Value value, const std::string& where);
Napi::Array read_array(Napi::Value value, const std::string& where, uint32_t max_length);
int64_t read_integer(Napi::Value value, const std::string& where, int64_t low, int64_t high);
float read_finite(Napi::Value value, const std::string& where);
bool read_boolean(Napi::Value value, const std::string& where);
std::string read_string(Napi::Value value, const std::string& where);

// What one of the names stands for.
template <typename T>
T read_choice(Napi::Value value, const std::string& where, std::span<const Named<T>> choices) {
  const std::string name = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
  for (const Named<T>& choice : choices) {
    if (name == choice.name) return choice.value;
  }
  reject(ErrorCode::kArgument, "one of " + listed(choices, &Named<T>::name), where, describe(value));
}

DType read_dtype(Napi::Value value, const std::string& where);          // of an array
DType read_compute_dtype(Napi::Value value, const std::string& where);  // of a matrix, as a device keeps it
Shape read_shape(Napi::Value value, const std::string& where);          // three integers >= 1

// Refuses properties other than `names`: a misspelt one must not be ignored.
void only_keys(Napi::Object object, const std::vector<std::string>& names, const std::string& where);

// A copy of a typed array's elements; made at once because later JavaScript (a getter) could detach or shrink the
// array. The array's type must be that of `dtype` (ERR_DTYPE) and its length `elements` (ERR_SHAPE).
std::vector<uint8_t> copy_elements(Napi::Value value, DType dtype, int64_t elements, const std::string& where);

// A fresh typed array; ERR_OUT_OF_MEMORY instead of ending the process when there is no memory. *data points into it.
Napi::Value make_array(Napi::Env env, DType dtype, int64_t elements, const std::string& where, void** data);

// [a, b, c]
Napi::Array to_js(Napi::Env env, std::span<const int64_t> numbers);

}  // namespace qavit::addon
