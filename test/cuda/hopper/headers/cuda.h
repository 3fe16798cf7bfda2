// In place of the toolkit's: a tensor map is what it was made from.
#pragma once

#include "cuda/device/sm90/tensor_layout.h"

struct alignas(64) CUtensorMap_st {
  qavit::cuda::sm90::TensorLayout layout;
};
using CUtensorMap = CUtensorMap_st;
