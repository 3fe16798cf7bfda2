// The model. One block a multiprocessor takes one tile (or one split of one) after another; its loads run ahead of its
// products across tile borders, so only the first tile's are waited for. A tile costs its multiply-adds at the rate its
// shape reaches, and finishing its sums: in addition where both consumers work on one tile, hidden behind the other
// consumer's products where they take turns. The product lasts as long as the multiprocessor with the most tiles. All
// constants are estimates from instruction rates, not measured; only their proportions decide.
#include "cuda/linear/linear_sm90_plan.h"

#include <algorithm>

#include "cuda/device/rounding.h"
#include "cuda/linear/gemm_search.h"

namespace qavit::cuda {

namespace {

// Dense 16-bit multiply-adds of one multiprocessor a cycle.
constexpr double kMultiplyAdds = 2048;

// Share of that rate that each tile's loop reaches; see the table of tiles for why the smaller ones reach less. cuBLAS
// comes to 0.8 of it at 8192^3 on an H200.
constexpr double kReached[kSm90TileCount] = {0.80, 0.78, 0.72, 0.68, 0.45};

// Elements one warpgroup finishes a cycle: with an activation or a residual, and without (parts of sums among them).
// From the issue slots and latencies of the machine code, for whole lines of 64 columns; docs/kernels/gemm_sm90.md says
// what the rest of a result takes.
constexpr double kElementsFinished = 4;
constexpr double kPlainFinished = 8;

// Launch, barriers, tensor maps and the first loads from memory.
constexpr double kFill = 2000;

// A split product is a second kernel (about 2 us in a graph) that reads every part once; a part is also written.
// Parts mostly stay in L2: some 32 bytes a cycle for each multiprocessor.
constexpr double kSecondKernel = 3500;
constexpr double kPartialBytes = 32;

}  // namespace

double predicted_cycles_sm90(const GemmShape& shape, const GemmPlan& plan, int multiprocessors) {
  const Sm90Tile& tile = kSm90Tiles[plan.tile];
  const int64_t items =
      ceil_div(shape.rows, tile.rows) * ceil_div(shape.columns, tile.columns) * shape.groups * plan.splits;
  const auto busiest = static_cast<double>(ceil_div(items, multiprocessors));
  const double elements = static_cast<double>(tile.rows) * tile.columns;
  const double products = elements * static_cast<double>(plan.split_depth) / (kMultiplyAdds * kReached[plan.tile]);
  const double finished = plan.splits > 1 || shape.plain ? kPlainFinished : kElementsFinished;
  const double finishing = elements / (tile.in_turns ? finished : kSm90Consumers * finished);
  // In turns, a consumer's own tile takes products and finishing, and two of them run side by side.
  double cycles = tile.in_turns ? busiest * std::max(products, (products + finishing) / 2) + finishing
                                : busiest * (products + finishing);
  cycles += kFill;
  if (plan.splits > 1) {
    const double traffic = 2 * static_cast<double>(partial_bytes(shape, plan));
    cycles += (shape.leave_parts ? 0 : kSecondKernel) + traffic / (kPartialBytes * multiprocessors);
  }
  return cycles;
}

GemmPlan plan_gemm_sm90(const GemmShape& shape, int multiprocessors, const GemmChoice& choice) {
  return search_plan(
      shape, choice, kSm90TileCount, [](int) { return Sm90Tile::kDepth; },
      [&](const GemmPlan& plan) { return predicted_cycles_sm90(shape, plan, multiprocessors); });
}

}  // namespace qavit::cuda
