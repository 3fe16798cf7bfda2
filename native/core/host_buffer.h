// Host memory as a Buffer, for backends whose device is this machine.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "core/backend.h"
#include "core/status.h"

namespace qavit {

// Uninitialised, aligned to kAlignment. ERR_OUT_OF_MEMORY when the allocator has none, and what check_host_memory says.
Status allocate_host_buffer(size_t bytes, std::shared_ptr<Buffer>* buffer);

// ERR_OUT_OF_MEMORY where `bytes` exceed what this process may ever have: Linux hands out addresses it cannot back, and
// would end the process on the first touch.
Status check_host_memory(size_t bytes, const std::string& where);

// Physical memory, or the lowest limit of the process's cgroups where that is lower; SIZE_MAX where unknown.
size_t host_memory_limit();

}  // namespace qavit
