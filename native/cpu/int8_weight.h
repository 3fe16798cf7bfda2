// A matrix in int8: a byte an element, quantised while it is packed (core/int8.h; the layout is in kernels.h).
#pragma once

#include "cpu/packed_weight.h"

namespace qavit::cpu {

// Fills `weight`, whose dtype is int8.
Status pack_int8_matrix(Context& context, const WeightSource& source, PackedWeight* weight);

}  // namespace qavit::cpu
