// How much memory this process may have at all.
#pragma once

#include <cstddef>
#include <string>

#include "core/status.h"

namespace qavit {

// ERR_OUT_OF_MEMORY where `bytes` exceed what this process may ever have: Linux hands out addresses it cannot back, and
// would end the process on the first touch.
Status check_host_memory(size_t bytes, const std::string& where);

}  // namespace qavit
