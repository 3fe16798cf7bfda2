// The search that both families of products choose their plan by: every tile with every number of splits, and the least
// predicted time.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cuda/device/rounding.h"
#include "cuda/device_properties.h"
#include "cuda/linear/gemm_plan.h"

namespace qavit::cuda {

// A part shorter than this is mostly filling its pipeline.
constexpr int64_t kMinSplitDepth = 256;

// `depth`: of one stage of a tile. Fewer splits than asked for where rounding up has emptied the last.
inline GemmPlan split_plan(const GemmShape& shape, int tile, int splits, int64_t depth) {
  const int64_t steps = ceil_div(shape.depth, depth);
  const int64_t steps_each = ceil_div(steps, splits);
  return {tile, static_cast<int>(ceil_div(steps, steps_each)), steps_each * depth};
}

// `depth_of(tile)` and `cycles_of(plan)`. A choice of a tile that the family does not have is none.
template <typename Depth, typename Cycles>
GemmPlan search_plan(const GemmShape& shape, const GemmChoice& choice, int tiles, Depth depth_of, Cycles cycles_of) {
  const auto most = static_cast<int>(std::clamp<int64_t>(shape.depth / kMinSplitDepth, 1, kMaxSplits));
  const bool chosen = choice.tile >= 0 && choice.tile < tiles;
  const int first = chosen ? choice.tile : 0, last = chosen ? choice.tile : tiles - 1;
  const int fewest = chosen ? std::clamp(choice.splits, 1, most) : 1;
  GemmPlan best;
  double best_cycles = 0;
  for (int tile = first; tile <= last; ++tile) {
    for (int splits = fewest; splits <= (chosen ? fewest : most); ++splits) {
      const GemmPlan plan = split_plan(shape, tile, splits, depth_of(tile));
      const double cycles = cycles_of(plan);
      if (best.split_depth == 0 || cycles < best_cycles) {
        best = plan;
        best_cycles = cycles;
      }
    }
  }
  return best;
}

}  // namespace qavit::cuda
