// Host memory as a Buffer, for backends whose device is this machine.
#pragma once

#include <cstddef>
#include <memory>

#include "core/backend.h"
#include "core/status.h"

namespace qavit {

// Uninitialised, aligned to kAlignment. ERR_OUT_OF_MEMORY when the allocator has none, and what check_host_memory says.
Status allocate_host_buffer(size_t bytes, std::shared_ptr<Buffer>* buffer);

}  // namespace qavit
