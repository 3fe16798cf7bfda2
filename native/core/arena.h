// Arena layout: where in one block of memory each intermediate value of a plan lives, so that values whose lifetimes do
// not meet share bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace qavit {

// Widest vector register and cache line; every backend may assume it of each value's start.
inline constexpr size_t kAlignment = 64;

// `bytes` rounded up to kAlignment; nothing on overflow.
std::optional<size_t> aligned(size_t bytes);

// A value is alive from the operation that first touches it to the one that last does, both included: an operation's
// output never takes the place of its own inputs.
struct Lifetime {
  size_t bytes = 0;  // 0: takes no place
  int32_t first = 0;
  int32_t last = -1;
};

struct ArenaLayout {
  std::vector<size_t> offsets;  // multiples of kAlignment, one a lifetime
  size_t bytes = 0;
};

// Greedy best fit, largest value first: each takes the smallest gap that holds it between the values already placed
// which are alive at the same time. On transformer encoders this reaches the lower bound (the largest sum of values
// alive at once) or nearly, because few sizes occur. O(n^2) in the number of values. Nothing when the sum does not fit
// in a size_t.
std::optional<ArenaLayout> plan_arena(const std::vector<Lifetime>& lifetimes);

}  // namespace qavit
