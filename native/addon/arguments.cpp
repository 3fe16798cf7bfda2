#include "addon/arguments.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "addon/environment.h"

namespace qavit::addon {

namespace {

constexpr size_t kMaxShown = 80;

std::string describe_number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  if (value == std::floor(value) && std::fabs(value) < 1e15) return std::to_string(static_cast<int64_t>(value));
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);  // std::to_string has 300 digits for large ones, none for small ones
  return text;
}

napi_typedarray_type array_type(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return napi_float32_array;
    case DType::kBF16:
    case DType::kF16:
      return napi_uint16_array;
    case DType::kU8:
      return napi_uint8_array;
    case DType::kI32:
      return napi_int32_array;
    case DType::kInt8:
      break;  // nothing outside a device is in int8
  }
  return napi_uint8_array;
}

constexpr Named<napi_typedarray_type> kArrayNames[] = {{napi_int8_array, "Int8Array"},
                                                       {napi_uint8_array, "Uint8Array"},
                                                       {napi_uint8_clamped_array, "Uint8ClampedArray"},
                                                       {napi_int16_array, "Int16Array"},
                                                       {napi_uint16_array, "Uint16Array"},
                                                       {napi_int32_array, "Int32Array"},
                                                       {napi_uint32_array, "Uint32Array"},
                                                       {napi_float32_array, "Float32Array"},
                                                       {napi_float64_array, "Float64Array"},
                                                       {napi_bigint64_array, "BigInt64Array"},
                                                       {napi_biguint64_array, "BigUint64Array"}};

// A newer Node.js may have more.
const char* array_name(napi_typedarray_type type) {
  const char* const name = name_of(kArrayNames, type);
  return *name != '\0' ? name : "typed array";
}

std::string a(const char* noun) {
  const bool vowel = std::string("AEIOUaeiou").find(noun[0]) != std::string::npos;
  return (vowel && noun[0] != 'U' ? "an " : "a ") + std::string(noun);
}

}  // namespace

std::string describe(Napi::Value value) {
  switch (value.Type()) {
    case napi_undefined:
      return "undefined";
    case napi_null:
      return "null";
    case napi_boolean:
      return value.As<Napi::Boolean>().Value() ? "true" : "false";
    case napi_number:
      return describe_number(value.As<Napi::Number>().DoubleValue());
    case napi_string: {
      const std::string text = value.As<Napi::String>().Utf8Value();
      return "\"" + (text.size() > kMaxShown ? text.substr(0, kMaxShown) + "..." : text) + "\"";
    }
    case napi_symbol:
      return "a symbol";
    case napi_function:
      return "a function";
    case napi_bigint:
      return "a bigint";
    case napi_external:
      return "an external";
    case napi_object:
      break;
  }
  if (value.IsArray()) return "an array";
  if (value.IsTypedArray()) return a(array_name(value.As<Napi::TypedArray>().TypedArrayType()));
  if (value.IsArrayBuffer()) return "an ArrayBuffer";
  return "an object";
}

Napi::Object read_object(Napi::Value value, const std::string& where) {
  if (!value.IsObject() || value.IsArray() || value.IsFunction())
    reject(ErrorCode::kArgument, "an object", where, describe(value));
  return value.As<Napi::Object>();
}

Napi::Array read_array(Napi::Value value, const std::string& where, uint32_t max_length) {
  if (!value.IsArray()) reject(ErrorCode::kArgument, "an array", where, describe(value));
  const auto array = value.As<Napi::Array>();
  if (array.Length() > max_length) {
    reject(ErrorCode::kArgument, "at most " + std::to_string(max_length) + " entries", where,
           std::to_string(array.Length()));
  }
  return array;
}

int64_t read_integer(Napi::Value value, const std::string& where, int64_t low, int64_t high) {
  const auto refuse = [&] {
    const std::string range =
        high == kMaxInteger ? ">= " + std::to_string(low) : std::to_string(low) + " to " + std::to_string(high);
    reject(ErrorCode::kArgument, "an integer " + range, where, describe(value));
  };
  if (!value.IsNumber()) refuse();
  const double number = value.As<Napi::Number>().DoubleValue();
  // The comparison is false for NaN.
  if (!(number >= static_cast<double>(low) && number <= static_cast<double>(high)) || number != std::floor(number))
    refuse();
  return static_cast<int64_t>(number);
}

float read_finite(Napi::Value value, const std::string& where) {
  if (value.IsNumber()) {
    const auto number = static_cast<float>(value.As<Napi::Number>().DoubleValue());
    if (std::isfinite(number)) return number;
  }
  reject(ErrorCode::kArgument, "a finite number", where, describe(value));
}

bool read_boolean(Napi::Value value, const std::string& where) {
  if (!value.IsBoolean()) reject(ErrorCode::kArgument, "true or false", where, describe(value));
  return value.As<Napi::Boolean>().Value();
}

std::string read_string(Napi::Value value, const std::string& where) {
  if (!value.IsString()) reject(ErrorCode::kArgument, "a string", where, describe(value));
  return value.As<Napi::String>().Utf8Value();
}

DType read_dtype(Napi::Value value, const std::string& where) {
  return read_choice<DType>(value, where, std::span(kDTypeNames).first<std::size(kDTypeNames) - 1>());
}

DType read_compute_dtype(Napi::Value value, const std::string& where) {
  return read_choice<DType>(value, where, kDTypeNames);
}

Shape read_shape(Napi::Value value, const std::string& where) {
  const Napi::Array array = read_array(value, where, 3);
  if (array.Length() != 3) reject(ErrorCode::kShape, "3 dimensions", where, std::to_string(array.Length()));
  Shape shape;
  for (uint32_t i = 0; i < 3; ++i) {
    const Napi::Value dimension = array[i];
    const double number = dimension.IsNumber() ? dimension.As<Napi::Number>().DoubleValue() : std::nan("");
    if (!(number >= 1 && number <= static_cast<double>(kMaxInteger)) || number != std::floor(number)) {
      reject(ErrorCode::kShape, "dimensions that are integers >= 1", where,
             describe(dimension) + " as dimension " + std::to_string(i));
    }
    shape[i] = static_cast<int64_t>(number);
  }
  return shape;
}

void only_keys(Napi::Object object, const std::vector<std::string>& names, const std::string& where) {
  const Napi::Array keys = object.GetPropertyNames();
  for (uint32_t i = 0; i < keys.Length(); ++i) {
    const std::string key = Napi::Value(keys[i]).ToString().Utf8Value();
    if (std::find(names.begin(), names.end(), key) != names.end()) continue;
    reject(ErrorCode::kArgument, names.empty() ? "no properties" : "only " + listed(names), where,
           "\"" + key.substr(0, kMaxShown) + "\"");
  }
}

std::vector<uint8_t> copy_elements(Napi::Value value, DType dtype, int64_t elements, const std::string& where) {
  const napi_typedarray_type wanted = array_type(dtype);
  if (!value.IsTypedArray()) reject(ErrorCode::kArgument, a(array_name(wanted)), where, describe(value));
  const auto array = value.As<Napi::TypedArray>();
  if (array.TypedArrayType() != wanted) {
    reject(ErrorCode::kDType, std::string(array_name(wanted)) + " (" + dtype_name(dtype) + ")", where,
           array_name(array.TypedArrayType()));
  }
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  napi_value buffer;
  size_t offset;
  if (napi_get_typedarray_info(value.Env(), value, &type, &length, &data, &buffer, &offset) != napi_ok) {
    reject(ErrorCode::kArgument, "a readable typed array", where, describe(value));
  }
  const Napi::Value memory(value.Env(), buffer);
  // Another thread may write to shared memory while it is copied.
  if (!memory.IsArrayBuffer())
    reject(ErrorCode::kArgument, "an array over an ArrayBuffer", where, "one over a SharedArrayBuffer");
  if (memory.As<Napi::ArrayBuffer>().IsDetached()) {
    reject(ErrorCode::kArgument, "an array over attached memory", where, "one whose ArrayBuffer is detached");
  }
  if (static_cast<uint64_t>(length) != static_cast<uint64_t>(elements)) {
    reject(ErrorCode::kShape, std::to_string(elements) + " elements", where, std::to_string(length));
  }
  const auto* bytes = static_cast<const uint8_t*>(data);
  return std::vector<uint8_t>(bytes, bytes + length * dtype_size(dtype));
}

Napi::Value make_array(Napi::Env env, DType dtype, int64_t elements, const std::string& where, void** data) {
  // V8 ends the process for a typed array longer than its limit (2^32 - 1 elements or less, by version) and for an
  // ArrayBuffer that cannot be had through its C++ interface; the JavaScript constructor throws a RangeError instead.
  constexpr int64_t kMaxElements = (int64_t{1} << 31) - 1;
  const int64_t bytes = elements * static_cast<int64_t>(dtype_size(dtype));
  if (elements > kMaxElements) {
    reject(ErrorCode::kOutOfMemory, "at most " + std::to_string(kMaxElements) + " elements", where,
           std::to_string(elements));
  }
  const auto length = static_cast<size_t>(elements);
  Napi::ArrayBuffer buffer;
  try {
    buffer =
        environment(env).array_buffer.New({Napi::Number::New(env, static_cast<double>(bytes))}).As<Napi::ArrayBuffer>();
  } catch (const Napi::Error& error) {
    reject(ErrorCode::kOutOfMemory, std::to_string(bytes) + " bytes", where, error.Message());
  }
  *data = buffer.Data();
  switch (array_type(dtype)) {
    case napi_float32_array:
      return Napi::Float32Array::New(env, length, buffer, 0);
    case napi_uint16_array:
      return Napi::Uint16Array::New(env, length, buffer, 0);
    case napi_int32_array:
      return Napi::Int32Array::New(env, length, buffer, 0);
    default:
      return Napi::Uint8Array::New(env, length, buffer, 0);
  }
}

Napi::Array to_js(Napi::Env env, std::span<const int64_t> numbers) {
  Napi::Array array = Napi::Array::New(env, numbers.size());
  for (uint32_t i = 0; i < numbers.size(); ++i) array[i] = Napi::Number::New(env, static_cast<double>(numbers[i]));
  return array;
}

}  // namespace qavit::addon
