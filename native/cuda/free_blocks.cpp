#include "cuda/free_blocks.h"

#include <algorithm>

namespace qavit::cuda {

void* FreeBlocks::take(size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found =
      std::find_if(blocks_.begin(), blocks_.end(), [&](const Block& block) { return block.bytes == bytes; });
  if (found == blocks_.end()) return nullptr;
  void* const memory = found->memory;
  blocks_.erase(found);
  bytes_ -= bytes;
  return memory;
}

std::vector<void*> FreeBlocks::give(void* memory, size_t bytes) {
  if (bytes > limit_) return {memory};
  const std::lock_guard<std::mutex> lock(mutex_);
  blocks_.push_front({memory, bytes});
  bytes_ += bytes;
  std::vector<void*> out;
  while (bytes_ > limit_) {
    out.push_back(blocks_.back().memory);
    bytes_ -= blocks_.back().bytes;
    blocks_.pop_back();
  }
  return out;
}

std::vector<void*> FreeBlocks::clear() {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<void*> out;
  for (const Block& block : blocks_) out.push_back(block.memory);
  blocks_.clear();
  bytes_ = 0;
  return out;
}

}  // namespace qavit::cuda
