// What plan_gemm_sm90() must keep whatever its constants are, the choices its documentation promises, and that items
// cover a product once.
#include <algorithm>
#include <set>
#include <tuple>

#include "check.h"
#include "cuda/linear/gemm_search.h"
#include "cuda/linear/linear_sm90_items.h"
#include "cuda/linear/linear_sm90_plan.h"
#include "tests.h"

namespace qavit::cuda::test {

namespace {

constexpr int64_t kRows[] = {1, 7, 32, 64, 197, 577, 4616, 18464};
constexpr int64_t kColumns[] = {1, 21, 64, 768, 1024, 4096};
constexpr int64_t kDepths[] = {64, 768, 1024, 4096, 8192};
constexpr int64_t kGroups[] = {1, 12};
constexpr int kMultiprocessors[] = {1, 78, 114, 132};

std::string describe(const GemmShape& s, int multiprocessors, const char* what) {
  return std::string(what) + ": " + std::to_string(s.rows) + " x " + std::to_string(s.columns) + ", depth " +
         std::to_string(s.depth) + ", " + std::to_string(s.groups) + " groups, " + std::to_string(multiprocessors) +
         " multiprocessors";
}

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

void hold_invariants(const GemmShape& s, int multiprocessors) {
  const auto check = [&](bool condition, const char* what) { hold(condition, describe(s, multiprocessors, what)); };
  const GemmPlan plan = plan_gemm_sm90(s, multiprocessors);
  if (plan.tile < 0 || plan.tile >= kSm90TileCount) return check(false, "a tile of the table");
  check(plan.splits >= 1 && plan.splits <= kMaxSplits, "1 to kMaxSplits splits");
  check(plan.split_depth % Sm90Tile::kDepth == 0, "whole stages");
  check(plan.splits * plan.split_depth >= s.depth, "splits that cover the sum");
  check((plan.splits - 1) * plan.split_depth < s.depth, "no empty split");
  const double best = predicted_cycles_sm90(s, plan, multiprocessors);
  for (int tile = 0; tile < kSm90TileCount; ++tile) {
    const GemmPlan other = {tile, 1, ceil_div(s.depth, Sm90Tile::kDepth) * Sm90Tile::kDepth};
    check(best <= predicted_cycles_sm90(s, other, multiprocessors), "the best plan");
  }
}

void hold_choice(const GemmShape& s, int tile, bool split) {
  const GemmPlan plan = plan_gemm_sm90(s, 132);
  const std::string chosen = "chosen " + std::to_string(plan.tile) + " with " + std::to_string(plan.splits) + " splits";
  hold(plan.tile == tile && (plan.splits > 1) == split, describe(s, 132, chosen.c_str()));
}

// What is chosen from outside is kept to as far as the shape allows.
void hold_given_choice() {
  const GemmShape s = {577, 1024, 1024, 1};
  for (int tile = 0; tile < kSm90TileCount; ++tile) {
    for (const int splits : {1, 2, 4, 16}) {
      const GemmPlan plan = plan_gemm_sm90(s, 132, {tile, splits});
      hold(plan.tile == tile && plan.splits == std::min(splits, 4), describe(s, 132, "a given tile and splits"));
    }
  }
  const GemmPlan free = plan_gemm_sm90(s, 132), other = plan_gemm_sm90(s, 132, {kSm90TileCount, 2});
  hold(free.tile == other.tile && free.splits == other.splits, describe(s, 132, "a tile that there is not"));
}

Sm90Items items_of(const GemmShape& s, const GemmPlan& plan, int blocks) {
  const Sm90Tile& tile = kSm90Tiles[plan.tile];
  Sm90Items items;
  items.grid.row_tiles = static_cast<int>(ceil_div(s.rows, tile.rows));
  items.grid.column_tiles = static_cast<int>(ceil_div(s.columns, tile.columns));
  items.grid.split_steps = static_cast<int>(plan.split_depth / Sm90Tile::kDepth);
  items.groups = static_cast<int>(s.groups);
  items.count = items.grid.row_tiles * items.grid.column_tiles * items.groups * plan.splits;
  items.stages = static_cast<int>(ceil_div(s.depth, Sm90Tile::kDepth));
  items.blocks = blocks;
  return items;
}

// Every stage of every sum of every tile belongs to one item.
void hold_coverage(const GemmShape& s, const GemmPlan& plan) {
  const Sm90Items items = items_of(s, plan, 132);
  std::set<std::tuple<int, int, int, int>> seen;
  for (int item = 0; item < items.count; ++item) {
    const BlockWork work = items.work(item);
    const Sm90Items::Span span = items.span(work);
    hold(span.count >= 1 && span.first >= 0 && span.first + span.count <= items.stages, "a span within the sum");
    hold(work.row_tile >= 0 && work.row_tile < items.grid.row_tiles && work.column_tile >= 0 &&
             work.column_tile < items.grid.column_tiles && work.group >= 0 && work.group < items.groups,
         "a tile of the product");
    for (int stage = span.first; stage < span.first + span.count; ++stage) {
      hold(seen.emplace(work.row_tile, work.column_tile, work.group, stage).second, "a stage taken once");
    }
  }
  const auto wanted = static_cast<size_t>(items.grid.row_tiles) * static_cast<size_t>(items.grid.column_tiles) *
                      static_cast<size_t>(items.groups) * static_cast<size_t>(items.stages);
  hold(seen.size() == wanted, "no stage left out");
  hold(items.stages_of(items.count) == 0 && items.stages_of(items.count + 1000) == 0, "nothing past the last item");
}

}  // namespace

void test_plans() {
  for (const Sm90Tile& tile : kSm90Tiles) {
    hold(tile.shared_bytes() <= 227 * 1024, "a block's shared memory");
    hold(tile.accumulators() <= 128, "a consumer's registers");
    hold(tile.columns <= 256 && tile.rows <= 256, "a TMA box");
  }
  for (const int multiprocessors : kMultiprocessors) {
    for (const int64_t rows : kRows) {
      for (const int64_t columns : kColumns) {
        for (const int64_t depth : kDepths) {
          for (const int64_t groups : kGroups) {
            for (const bool plain : {false, true})
              hold_invariants({rows, columns, depth, groups, plain}, multiprocessors);
          }
        }
      }
    }
  }
  // The table of docs/kernels/gemm_sm90.md.
  hold_choice({8192, 8192, 8192, 1, true}, 0, false);
  hold_choice({18464, 3072, 1024, 1, true}, 2, false);
  hold_choice({18464, 1024, 1024, 1}, 2, false);
  hold_choice({18464, 4096, 1024, 1}, 2, false);
  hold_choice({18464, 1024, 4096, 1}, 2, false);
  hold_choice({577, 3072, 1024, 1, true}, 3, false);
  hold_choice({577, 1024, 4096, 1}, 3, true);
  hold_choice({32, 1024, 768, 1, true}, 4, true);
  hold_given_choice();
  done("plans");
}

void test_items() {
  for (int tile = 0; tile < kSm90TileCount; ++tile) {
    for (const int splits : {1, 2, 5}) {
      for (const GemmShape& s :
           {GemmShape{577, 1024, 1024, 1}, GemmShape{70, 200, 640, 3}, GemmShape{1500, 300, 64, 1}}) {
        hold_coverage(s, split_plan(s, tile, splits, Sm90Tile::kDepth));
      }
    }
  }
  done("items");
}

}  // namespace qavit::cuda::test
