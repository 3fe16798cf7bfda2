// Device: the JavaScript class over DeviceSession.
#pragma once

#include <napi.h>

namespace qavit::addon {

// Defines the class on `exports`.
void define_device(Napi::Env env, Napi::Object exports);

}  // namespace qavit::addon
