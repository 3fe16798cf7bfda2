// Aligned memory that reports failure as a Status instead of throwing.
#pragma once

#include <cstddef>
#include <string>

#include "core/status.h"

namespace qavit::cpu {

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
  Status reserve(size_t bytes, const std::string& where);

  void* data() const { return data_; }
  float* floats() const { return static_cast<float*>(data_); }
  size_t bytes() const { return bytes_; }

 private:
  void release();

  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace qavit::cpu
