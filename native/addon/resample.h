// addon.resample: Pillow's resampling on a libuv thread.
#pragma once

#include <napi.h>

namespace qavit::addon {

// Defines the function on `exports`.
void define_resample(Napi::Env env, Napi::Object exports);

}  // namespace qavit::addon
