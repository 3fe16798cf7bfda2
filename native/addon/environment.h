// What one JavaScript environment (the main thread, a worker) owns in this addon. No JavaScript handle lives in a
// static variable.
#pragma once

#include <napi.h>

namespace qavit::addon {

struct Environment {
  Napi::FunctionReference error_class;   // empty until setErrorClass
  Napi::FunctionReference array_buffer;  // ArrayBuffer, as it was when the addon was loaded
};

inline Environment& environment(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

}  // namespace qavit::addon
