// The look at every number of a parameter: a checkpoint with a NaN in it must be refused, not computed with.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace qavit {

// Position of the first of `count` f32, bf16 or f16 elements at `data` (any address) that is infinite or NaN, or -1.
int64_t first_non_finite(const void* data, DType dtype, int64_t count);

}  // namespace qavit
