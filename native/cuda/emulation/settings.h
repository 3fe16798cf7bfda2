// Environment variable QAVIT_EMULATION: "key=value" settings of the emulation, apart by spaces (host_api.h, grid.h).
#pragma once

#include <cstdint>

namespace qavit::cuda::emulation {

// "fault=3 memory=1048576" -> 3 for "fault"; `otherwise` where the key is not there.
uint64_t setting(const char* key, uint64_t otherwise);

}  // namespace qavit::cuda::emulation
