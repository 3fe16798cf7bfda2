// The model. A multiprocessor works through the blocks that fall to it, `resident` at a time; blocks that share it
// share its tensor cores, so its time is the multiply-adds of all its blocks at the rate that so many of them reach
// together, plus what every round of blocks spends filling its pipeline and finishing its sums. The whole product lasts
// as long as the multiprocessor with the most blocks. All constants are estimates from instruction rates, not measured;
// they decide by ratio, so only their proportions matter.
#include "cuda/linear/gemm_plan.h"

#include <algorithm>

#include "cuda/device/rounding.h"
#include "cuda/linear/gemm_search.h"

namespace qavit::cuda {

namespace {

// Dense bf16 multiply-adds of one multiprocessor a cycle on sm_80, the scale of all that follows.
constexpr double kMultiplyAdds = 1024;

// Share of that rate that each tile reaches with 1 and with 2 blocks on a multiprocessor. One block of 4 warps has one
// warp a scheduler and nothing to run while that waits; the smallest tile is limited by shared memory.
constexpr double kReached[kTileCount][2] = {{0.85, 0.85}, {0.58, 0.80}, {0.50, 0.68}, {0.34, 0.50}};

// Cycles of a round outside its sums: launch and the first loads from memory (about 1,500), and turning the sums
// through shared memory, activation and stores (about 1 cycle for 16 elements).
constexpr double kFill = 1500;
constexpr double kElementsFinished = 16;

// A split product is a second kernel (about 2 us in a graph) that reads every part once; a part is also written.
// Parts mostly stay in L2: some 32 bytes a cycle for each multiprocessor.
constexpr double kSecondKernel = 3500;
constexpr double kPartialBytes = 32;

}  // namespace

double predicted_cycles(const GemmShape& shape, const GemmPlan& plan, int multiprocessors) {
  const Tile& tile = kTiles[plan.tile];
  const int64_t blocks =
      ceil_div(shape.rows, tile.rows) * ceil_div(shape.columns, tile.columns) * shape.groups * plan.splits;
  const int64_t busiest = ceil_div(blocks, multiprocessors);
  const int64_t together = std::min<int64_t>(busiest, tile.resident);
  const double rate = kMultiplyAdds * kReached[plan.tile][together - 1];
  const double elements = static_cast<double>(tile.rows) * tile.columns;
  const double sums = static_cast<double>(busiest) * elements * static_cast<double>(plan.split_depth) / rate;
  const double finishing = static_cast<double>(busiest) * elements / kElementsFinished;
  double cycles = sums + finishing + kFill * static_cast<double>(ceil_div(busiest, tile.resident));
  if (plan.splits > 1) {
    const double traffic = 2 * static_cast<double>(partial_bytes(shape, plan));
    cycles += (shape.leave_parts ? 0 : kSecondKernel) + traffic / (kPartialBytes * multiprocessors);
  }
  return cycles;
}

GemmPlan plan_gemm(const GemmShape& shape, int multiprocessors, const GemmChoice& choice) {
  return search_plan(
      shape, choice, kTileCount, [](int tile) { return kTiles[tile].depth; },
      [&](const GemmPlan& plan) { return predicted_cycles(shape, plan, multiprocessors); });
}

size_t partial_bytes(const GemmShape& shape, const GemmPlan& plan) {
  if (plan.splits == 1) return 0;
  const int64_t columns = round_up(shape.columns, 4);
  return static_cast<size_t>(plan.splits * shape.groups * shape.rows * columns) * sizeof(float);
}

}  // namespace qavit::cuda
