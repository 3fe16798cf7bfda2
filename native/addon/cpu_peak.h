// addon.cpuPeak: the processor's speed without memory, for benchmarks.
#pragma once

#include <napi.h>

namespace qavit::addon {

// Defines the function on `exports`.
void define_cpu_peak(Napi::Env env, Napi::Object exports);

}  // namespace qavit::addon
