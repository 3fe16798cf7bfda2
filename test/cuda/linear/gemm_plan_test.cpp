// What plan_gemm() must keep whatever its constants are, and the choices its documentation promises.
#include "cuda/linear/gemm_plan.h"

#include <cstdio>

#include "tests.h"

namespace qavit::cuda::test {

namespace {

constexpr int64_t kRows[] = {1, 7, 32, 50, 197, 577, 4616, 18464};
constexpr int64_t kColumns[] = {1, 21, 64, 768, 1024, 4096};
constexpr int64_t kDepths[] = {64, 768, 1024, 4096, 8192};
constexpr int64_t kGroups[] = {1, 12};
constexpr int kMultiprocessors[] = {1, 4, 58, 82, 108, 132, 170};

int failed = 0;

void hold(bool condition, const char* what, const GemmShape& s, int multiprocessors) {
  if (condition) return;
  ++failed;
  std::printf("FAILED: %s: %ld x %ld, depth %ld, %ld groups, %d multiprocessors\n", what, static_cast<long>(s.rows),
              static_cast<long>(s.columns), static_cast<long>(s.depth), static_cast<long>(s.groups), multiprocessors);
}

// Splits cover a sum once, none is empty, and the scratch is what they need.
void hold_invariants(const GemmShape& s, int multiprocessors) {
  const GemmPlan plan = plan_gemm(s, multiprocessors);
  if (plan.tile < 0 || plan.tile >= kTileCount) return hold(false, "a tile of the table", s, multiprocessors);
  hold(plan.splits >= 1 && plan.splits <= kMaxSplits, "1 to kMaxSplits splits", s, multiprocessors);
  hold(plan.split_depth % kTiles[plan.tile].depth == 0, "whole stages", s, multiprocessors);
  hold(plan.splits * plan.split_depth >= s.depth, "splits that cover the sum", s, multiprocessors);
  hold((plan.splits - 1) * plan.split_depth < s.depth, "no empty split", s, multiprocessors);
  const auto part = static_cast<size_t>(s.groups * s.rows * ((s.columns + 3) / 4 * 4)) * sizeof(float);
  const size_t wanted = plan.splits == 1 ? 0 : static_cast<size_t>(plan.splits) * part;
  hold(partial_bytes(s, plan) == wanted, "scratch for the parts", s, multiprocessors);
  const GemmPlan again = plan_gemm(s, multiprocessors);
  hold(again.tile == plan.tile && again.splits == plan.splits, "the same plan again", s, multiprocessors);
}

// No plan of the table is predicted to be faster than the one chosen.
void hold_best(const GemmShape& s, int multiprocessors) {
  const double best = predicted_cycles(s, plan_gemm(s, multiprocessors), multiprocessors);
  for (int tile = 0; tile < kTileCount; ++tile) {
    const int64_t depth = (s.depth + kTiles[tile].depth - 1) / kTiles[tile].depth * kTiles[tile].depth;
    hold(best <= predicted_cycles(s, {tile, 1, depth}, multiprocessors), "the best plan", s, multiprocessors);
  }
}

void hold_choice(const GemmShape& s, int multiprocessors, int tile, bool split) {
  const GemmPlan plan = plan_gemm(s, multiprocessors);
  hold(plan.tile == tile, "the tile of docs/kernels/gemm.md", s, multiprocessors);
  hold((plan.splits > 1) == split, "the splits of docs/kernels/gemm.md", s, multiprocessors);
}

}  // namespace

int test_plans() {
  for (const int multiprocessors : kMultiprocessors) {
    for (const int64_t rows : kRows) {
      for (const int64_t columns : kColumns) {
        for (const int64_t depth : kDepths) {
          for (const int64_t groups : kGroups) {
            hold_invariants({rows, columns, depth, groups}, multiprocessors);
            hold_best({rows, columns, depth, groups}, multiprocessors);
          }
        }
      }
    }
  }
  hold_choice({8192, 8192, 8192, 1}, 108, 0, false);
  hold_choice({18464, 3072, 1024, 1}, 108, 0, false);
  hold_choice({4616, 1024, 4096, 1}, 108, 1, false);
  hold_choice({577, 4096, 1024, 1}, 108, 2, false);
  hold_choice({577, 1024, 4096, 1}, 108, 0, true);
  hold_choice({1, 1024, 768, 1}, 108, 3, true);
  if (failed == 0) std::printf("ok: plans\n");
  return failed;
}

}  // namespace qavit::cuda::test
