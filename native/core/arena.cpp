#include "core/arena.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "core/rounding.h"

namespace qavit {

namespace {

struct Placed {
  size_t begin;
  size_t end;
  int32_t first;
  int32_t last;
};

// The best gap among `placed` (ascending by begin) for `bytes` during [first, last].
std::optional<size_t> best_offset(const std::vector<Placed>& placed, size_t bytes, int32_t first, int32_t last) {
  size_t best = 0;
  size_t best_slack = std::numeric_limits<size_t>::max();
  size_t free_from = 0;
  for (const Placed& other : placed) {
    if (other.last < first || last < other.first) continue;
    if (other.begin > free_from) {
      const size_t gap = other.begin - free_from;
      if (gap >= bytes && gap - bytes < best_slack) {
        best = free_from;
        best_slack = gap - bytes;
      }
    }
    free_from = std::max(free_from, other.end);
  }
  if (best_slack != std::numeric_limits<size_t>::max()) return best;
  if (free_from > std::numeric_limits<size_t>::max() - bytes) return std::nullopt;
  return free_from;
}

}  // namespace

std::optional<size_t> aligned(size_t bytes) {
  if (bytes > std::numeric_limits<size_t>::max() - (kAlignment - 1)) return std::nullopt;
  return round_up(bytes, kAlignment);
}

std::optional<ArenaLayout> plan_arena(const std::vector<Lifetime>& lifetimes) {
  std::vector<size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  // Ties by age, so that the layout does not depend on the sort's whims.
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });

  ArenaLayout layout;
  layout.offsets.assign(lifetimes.size(), 0);
  std::vector<Placed> placed;
  for (const size_t index : order) {
    const Lifetime& life = lifetimes[index];
    if (life.bytes == 0 || life.last < life.first) continue;
    const auto bytes = aligned(life.bytes);
    const auto offset = bytes ? best_offset(placed, *bytes, life.first, life.last) : std::nullopt;
    if (!offset) return std::nullopt;
    layout.offsets[index] = *offset;
    layout.bytes = std::max(layout.bytes, *offset + *bytes);
    const Placed entry{*offset, *offset + *bytes, life.first, life.last};
    placed.insert(std::upper_bound(placed.begin(), placed.end(), entry,
                                   [](const Placed& a, const Placed& b) { return a.begin < b.begin; }),
                  entry);
  }
  return layout;
}

}  // namespace qavit
