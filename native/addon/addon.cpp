// The addon's exports, as lib/binding/native.ts types them.
#include <napi.h>

#include "addon/abort_flag.h"
#include "addon/arguments.h"
#include "addon/cpu_peak.h"
#include "addon/device.h"
#include "addon/environment.h"
#include "addon/errors.h"
#include "addon/mapped_file.h"
#include "addon/resample.h"
#include "cpu/cpu_backend.h"

namespace qavit::addon {

namespace {

Napi::Value set_error_class(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  guard(env, "setErrorClass", [&] {
    if (!info[0].IsFunction()) reject(ErrorCode::kArgument, "a class", "setErrorClass", describe(info[0]));
    environment(env).error_class = Napi::Persistent(info[0].As<Napi::Function>());
  });
  return env.Undefined();
}

// Best first, as a caller chooses.
Napi::Value cpu_isas(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::vector<std::string> isas = cpu::supported_isas();
  Napi::Array names = Napi::Array::New(env, isas.size());
  for (size_t i = 0; i < isas.size(); ++i)
    names[static_cast<uint32_t>(i)] = Napi::String::New(env, isas[isas.size() - 1 - i]);
  return names;
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  auto* data = new Environment();
  data->array_buffer = Napi::Persistent(env.Global().Get("ArrayBuffer").As<Napi::Function>());
  env.SetInstanceData(data);  // deleted with the environment
  define_device(env, exports);
  define_mapped_file(env, exports);
  define_abort_flag(env, exports);
  define_resample(env, exports);
  define_cpu_peak(env, exports);
  exports.Set("setErrorClass", Napi::Function::New<set_error_class>(env, "setErrorClass"));
  exports.Set("cpuIsas", Napi::Function::New<cpu_isas>(env, "cpuIsas"));
  exports.Set("version", QAVIT_VERSION);
  return exports;
}

}  // namespace

NODE_API_MODULE(qavit, initialise)

}  // namespace qavit::addon
