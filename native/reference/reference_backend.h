// The reference backend: what every other backend is compared with. One thread, no tricks, double accumulation.
#pragma once

#include <memory>

#include "core/backend.h"

namespace qavit::reference {

std::unique_ptr<Backend> make_reference_backend();

}  // namespace qavit::reference
