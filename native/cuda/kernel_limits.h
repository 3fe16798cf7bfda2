// What the runtime keeps of a kernel for a whole device, and not for one launch.
#pragma once

#include "core/status.h"
#include "cuda/device_properties.h"

namespace qavit::cuda {

// Lets launches of `kernel` on `device`, the current one, have all the dynamic shared memory that is there. More than
// 48 KiB has to be allowed, and what is allowed last holds for all threads and recorded graphs: a launch that allowed
// itself as much as it needs, and that less than another's, would take it from under the other. So it is done once and
// for all.
//
// `overlaps`: whether it was compiled to wait for the kernels before it (device/dependent_launch.cuh). A new GPU may
// run what was compiled for an old one, which does not.
//
// Any thread may call it. After the first call for a kernel the runtime is not asked again: that takes time, and may
// wait for copies that are under way.
Status ready_kernel(const DeviceProperties& device, const void* kernel, const char* where, bool* overlaps);

}  // namespace qavit::cuda
