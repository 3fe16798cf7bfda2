// Which tile Hopper's product is cut into, and how often its sums are split: a pure function of the problem's shape and
// the number of multiprocessors, so that what was chosen can be tested and asked about without a GPU.
#pragma once

#include "cuda/linear/gemm_plan.h"

namespace qavit::cuda {

// Consumer warpgroups of a block, and columns that a warp finishes at a time: constants of the kernel.
constexpr int kSm90Consumers = 2;
constexpr int kSm90PieceColumns = 32;

// One tile of the result, and who computes it. Together: both consumers work on one tile, side by side; half the rows
// each, or half the columns of a tile of 64 rows. In turns: tiles go to one and the other, and one finishes its sums
// while the other's products run.
struct Sm90Tile {
  static constexpr int kDepth = 64;  // of the sum, a stage: one 128-byte line of 16-bit elements

  int rows;
  int columns;
  int stages;
  bool in_turns;

  constexpr int part_rows() const { return in_turns || rows == 64 ? rows : rows / kSm90Consumers; }
  constexpr int part_columns() const { return in_turns || rows > 64 ? columns : columns / kSm90Consumers; }
  constexpr int accumulators() const { return part_rows() * part_columns() / 128; }  // a thread
  constexpr int stage_bytes() const { return (rows + columns) * kDepth * 2; }
  // Where sums are turned into rows: 16 rows a warp, padded by 8 (epilogue.cuh, kStagedRow).
  constexpr int staging_bytes() const { return kSm90Consumers * 4 * 16 * (kSm90PieceColumns + 8) * 4; }
  // Full and empty a stage, and whose turn it is.
  constexpr int barrier_bytes() const { return (2 * stages + kSm90Consumers) * 8; }
  constexpr int shared_bytes() const { return stages * stage_bytes() + staging_bytes() + barrier_bytes(); }
};

// 227 KiB of shared memory hold one block. A warpgroup's product of 64 x n for 16 of the sum takes n / 2 cycles and
// reads 2 KiB + 32 n bytes of shared memory, which delivers 128 bytes a cycle: n = 256 leaves 38% of it for filling the
// ring and staging, n = 128 leaves 25%, n = 64 none. The last tile is for few rows, where memory is the limit.
constexpr Sm90Tile kSm90Tiles[] = {
    {128, 256, 4, false},  // 64 x 256 a consumer, 192 KiB
    {128, 192, 5, false},  // 64 x 192, 200 KiB
    {128, 128, 6, true},   // 128 x 128, 192 KiB
    {128, 128, 6, false},  // 64 x 128, 192 KiB
    {64, 128, 8, false},   // 64 x 64, 192 KiB
};
constexpr int kSm90TileCount = sizeof(kSm90Tiles) / sizeof(kSm90Tiles[0]);

// The plan with the least predicted cycles of those that `choice` leaves; tiles are numbers of kSm90Tiles.
GemmPlan plan_gemm_sm90(const GemmShape& shape, int multiprocessors, const GemmChoice& choice = {});

// The model the choice is made by: cycles until the last multiprocessor is done.
double predicted_cycles_sm90(const GemmShape& shape, const GemmPlan& plan, int multiprocessors);

}  // namespace qavit::cuda
