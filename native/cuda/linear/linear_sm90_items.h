// How the blocks of Hopper's product share its work out. An item is one tile, or one split of one; block b takes items
// b, b + blocks, ..., and its producer and its consumers walk through the same list. Plain arithmetic, so that the
// protocol between them can be simulated without a GPU.
#pragma once

#include "cuda/linear/block_work.cuh"

namespace qavit::cuda {

struct Sm90Items {
  GemmGrid grid;  // split_steps counts stages
  int groups = 1;
  int count = 0;   // items of the whole product
  int stages = 0;  // of an unsplit sum
  int blocks = 1;

  // Stages [first, first + count) of an item's sum; none is empty.
  struct Span {
    int first;
    int count;
  };

  __device__ BlockWork work(int item) const { return block_work(grid, groups, item); }

  __device__ Span span(const BlockWork& work) const {
    const int first = work.split * grid.split_steps;
    const int left = stages - first;
    return {first, left < grid.split_steps ? left : grid.split_steps};
  }

  // 0 past the last item.
  __device__ int stages_of(int item) const { return item < count ? span(work(item)).count : 0; }
};

}  // namespace qavit::cuda
