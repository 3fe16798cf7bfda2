// PackedWeight: a parameter in the form the kernels read, and the upload that makes it.
//
//   kMatrix  panels [groups][panels][units][columns], see kernels.h; the last panel of a group is padded with zeros. In
//            int8 a panel ends in its columns' scales and sums
//   kVector  f32, followed by zeros to a whole panel, so that kernels load whole vectors
//   kTable   rows as they are, f32 or bf16
#pragma once

#include <memory>

#include "core/weight.h"
#include "cpu/context.h"

namespace qavit::cpu {

struct PackedWeight : Weight {
  AlignedMemory memory;
  int64_t units = 0;       // kMatrix: of one column
  int64_t row_floats = 0;  // kMatrix: a row of the other operand takes in its tile
  int64_t panels = 0;      // kMatrix: of one group
  size_t panel_bytes = 0;  // kMatrix

  const char* group(int64_t g) const {
    return static_cast<const char*>(memory.data()) + static_cast<size_t>(g * panels) * panel_bytes;
  }
};

// Every weight a CPU device is handed was made by its own upload; the addon sees to that.
inline const PackedWeight& packed(const Weight* weight) { return *static_cast<const PackedWeight*>(weight); }

// The floats of a vector, or null.
inline const float* vector_of(const Weight* weight) {
  return weight == nullptr ? nullptr : packed(weight).memory.floats();
}

Status upload_weight(Context& context, const WeightSource& source, std::shared_ptr<Weight>* weight);

}  // namespace qavit::cpu
