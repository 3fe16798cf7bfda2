// Tensor maps for the tensor copy engine (tma.cuh). Encoding one is arithmetic on the processor, well under a
// microsecond, and touches no GPU: maps are made at every launch and travel as kernel parameters, so that a CUDA graph
// keeps its own copy. The driver's function is found at run time, once; nothing links against libcuda.
#pragma once

#include <cuda.h>

#include "core/status.h"
#include "cuda/device/sm90/tensor_layout.h"

namespace qavit::cuda::sm90 {

// Whether the driver can encode tensor maps: 12.0 and later.
bool tensor_maps_available();

// `layout` passes fits_tensor_map(). `where` is the operation.
Status make_tensor_map(const TensorLayout& layout, const char* where, CUtensorMap* map);

}  // namespace qavit::cuda::sm90
