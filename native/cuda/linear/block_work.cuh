// Which part of a product a block computes.
#pragma once

#include "cuda/linear/gemm.h"
#include "cuda/runtime.h"

namespace qavit::cuda {

// Row tiles that blocks with neighbouring numbers walk down before they go on to the next column of tiles. The some
// 100 to 300 blocks in flight then form a rectangle near a square, which is what reads the fewest different rows of x
// and of the weights, and keeps them in L2.
constexpr int kBand = 8;

struct BlockWork {
  int row_tile;
  int column_tile;
  int group;
  int split;
};

__device__ inline BlockWork block_work(const GemmGrid& grid, int groups, int block) {
  const int tiles = grid.row_tiles * grid.column_tiles;
  const int band = block % tiles / (kBand * grid.column_tiles);
  const int in_band = block % tiles - band * kBand * grid.column_tiles;
  const int height = min(kBand, grid.row_tiles - band * kBand);
  BlockWork work;
  work.row_tile = band * kBand + in_band % height;
  work.column_tile = in_band / height;
  work.group = block / tiles % groups;
  work.split = block / tiles / groups;
  return work;
}

}  // namespace qavit::cuda
