// Aligned memory that reports failure as a Status instead of throwing.
#pragma once

#include <cstddef>
#include <string>

#include "core/status.h"

namespace qavit::cpu {

// What a large block is made of where the system has huge pages.
enum class Pages {
  kHuge,  // from the first touch on: for working memory, which is little and touched in every operation
  kLater  // small when they are first touched, and joined to huge ones when there is nothing else to do: for weights. A
          // virtual machine whose host takes free memory back answers the first touch of a huge page at 0.5 GB/s
          // (ViT-L/14-336 in f32: 1.3 of 4.4 s from start to first result); small ones cost a forward pass 1%
          // (ViT-L/14-336) to 7% (ViT-B/32, which reads its weights for 50 rows at a time).
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

  // To be called once what Pages::kLater was chosen for is written: from now on pages may be joined, by join() or by
  // the kernel, which takes minutes.
  void settle();

  // Joins the small pages of the next 2 MiB from byte `*from` on, in 1 to 5 ms, and moves `*from` behind them. Contents
  // stay as they are and may be read meanwhile. False when there is nothing left to join.
  bool join(size_t* from);

  void* data() const { return data_; }
  float* floats() const { return static_cast<float*>(data_); }
  size_t bytes() const { return bytes_; }

 private:
  void release();

  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace qavit::cpu
