// Which tile a matrix product is cut into, and how often its sums are split: a pure function of the problem's shape and
// the number of multiprocessors, so that what was chosen can be tested and asked about without a GPU.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/device_properties.h"

namespace qavit::cuda {

// One block's work: rows x columns of the result, `depth` of the sum a pipeline stage, split over warps of
// warp_rows x warp_columns. Constants of the tensor-core kernel; every tile is one instance of it.
struct Tile {
  int rows;
  int columns;
  int depth;
  int stages;
  int warp_rows;
  int warp_columns;
  int resident;  // blocks a multiprocessor holds at once, which bounds the registers a thread may use

  constexpr int warps() const { return (rows / warp_rows) * (columns / warp_columns); }
  constexpr int threads() const { return 32 * warps(); }
  constexpr int stage_elements() const { return (rows + columns) * depth; }
  constexpr int shared_bytes() const { return stages * stage_elements() * 2; }
};

// Every tile's shared memory fits `resident` times into the 100 KiB of sm_86, sm_89 and sm_120 (1 KiB a block is the
// driver's), so one table serves all devices. A warp of 64 x 64 moves 4 KiB from shared memory for 65,536
// multiply-adds, half of what the tensor cores of sm_80 leave time for; smaller warps come closer to that limit, and
// the last tile exceeds it: it is for problems that cannot fill the device otherwise.
constexpr Tile kTiles[] = {
    {128, 256, 32, 4, 64, 64, 1},  // 8 warps, 96 KiB
    {128, 128, 32, 3, 64, 64, 2},  // 4 warps, 48 KiB
    {64, 128, 32, 4, 32, 64, 2},   // 4 warps, 48 KiB
    {64, 64, 64, 3, 32, 32, 2},    // 4 warps, 48 KiB
};
constexpr int kTileCount = sizeof(kTiles) / sizeof(kTiles[0]);

// The tile of operands that are read element by element, and never split.
constexpr int kElementTile = 3;

// A sum is cut into at most this many parts.
constexpr int kMaxSplits = 16;

// y[rows, groups * columns]; `depth` is the length of a sum: of all matrices that follow each other in it.
struct GemmShape {
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t depth = 0;
  int64_t groups = 1;
  bool plain = false;        // sums meet no more than a bias on their way to memory
  bool leave_parts = false;  // of a split sum, to a kernel that runs in any case
};

struct GemmPlan {
  int tile = 0;             // of kTiles
  int splits = 1;           // parts a sum is cut into, each by its own block
  int64_t split_depth = 0;  // length of all parts but the last, a multiple of the tile's depth; the last is not empty
};

// The plan with the least predicted_cycles of those that `choice` leaves.
GemmPlan plan_gemm(const GemmShape& shape, int multiprocessors, const GemmChoice& choice = {});

// The model the choice is made by: cycles until the last multiprocessor is done.
double predicted_cycles(const GemmShape& shape, const GemmPlan& plan, int multiprocessors);

// Scratch for partial sums, f32 [splits, groups, rows, columns rounded up to 4]; 0 where nothing is split.
size_t partial_bytes(const GemmShape& shape, const GemmPlan& plan);

}  // namespace qavit::cuda
