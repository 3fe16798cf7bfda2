// FreeBlocks: memory given back, kept for the next request of the same size. Graphs hold the addresses they were
// recorded with (graphs.h), so requests that follow each other must find their tensors where the ones before had
// theirs, which no allocator promises.
//
// Any thread. Work on a block's next contents follows work on its last ones on the same stream.
#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <vector>

namespace qavit::cuda {

class FreeBlocks {
 public:
  explicit FreeBlocks(size_t limit) : limit_(limit) {}
  FreeBlocks(const FreeBlocks&) = delete;
  FreeBlocks& operator=(const FreeBlocks&) = delete;

  // A block of exactly this size, the one given back last; null where there is none.
  void* take(size_t bytes);

  // Keeps the block. The blocks that have to go for it, or itself, are the caller's to free.
  std::vector<void*> give(void* memory, size_t bytes);

  // All blocks; the caller's to free.
  std::vector<void*> clear();

 private:
  struct Block {
    void* memory;
    size_t bytes;
  };

  const size_t limit_;
  std::mutex mutex_;         // guards the two below
  std::list<Block> blocks_;  // given back last first
  size_t bytes_ = 0;
};

}  // namespace qavit::cuda
