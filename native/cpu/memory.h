// Aligned memory that reports failure as a Status instead of throwing.
#pragma once

#include <cstddef>
#include <string>

#include "core/status.h"

namespace qavit::cpu {

// What a large block is made of where the system has huge pages.
enum class Pages {
  kHuge,  // from the first touch on: for working memory, which is little and touched in every operation
  kLater  // small when they are first touched, and huge when the kernel finds the time: for weights. A virtual machine
          // whose host takes free memory back answers the first touch of a huge page at 0.5 GB/s (ViT-L/14-336 in f32:
          // 1.3 of 4.4 s from start to first result); small ones cost a forward pass 0.5%.
};

class AlignedMemory {
 public:
  AlignedMemory() = default;
  ~AlignedMemory() { release(); }
  AlignedMemory(const AlignedMemory&) = delete;
  AlignedMemory& operator=(const AlignedMemory&) = delete;
  AlignedMemory(AlignedMemory&& other) noexcept;
  AlignedMemory& operator=(AlignedMemory&& other) noexcept;

  // At least `bytes`, contents undefined, aligned to kAlignment of core/arena.h; what was held is given up first. Does
  // nothing when enough is held already. ERR_OUT_OF_MEMORY names `where`; it also says no to what this process may
  // never have, because Linux hands out addresses it cannot back.
  Status reserve(size_t bytes, const std::string& where, Pages pages = Pages::kHuge);

  // To be called once what Pages::kLater was chosen for is written.
  void settle();

  void* data() const { return data_; }
  float* floats() const { return static_cast<float*>(data_); }
  size_t bytes() const { return bytes_; }

 private:
  void release();

  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace qavit::cpu
