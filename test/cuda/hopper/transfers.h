// The tensor copy engine on the model: boxes between shared and device memory, in the 128-byte swizzle.
#pragma once

#include <array>

#include "model.h"

namespace qavit::cuda::emulation {

class Transfer {
 public:
  // `shared` is a multiple of 1024; what the map and the coordinates may be is checked.
  Transfer(unsigned thread, unsigned char* shared, const CUtensorMap& map, std::initializer_list<int> coordinates);

  unsigned thread() const { return thread_; }  // that has asked for it
  uint32_t bytes() const;                      // of the whole box in shared memory

  void poison() const;  // fills the box in shared memory with NaNs
  void load() const;    // zeros where the box hangs over an edge
  void store() const;   // nothing there

  std::function<void(uint32_t)> landed;  // of a load, with its bytes

 private:
  template <typename Visit>
  void for_chunks(const Visit& visit) const;

  unsigned thread_;
  unsigned char* shared_;
  sm90::TensorLayout layout_;
  std::array<int, sm90::TensorLayout::kMaxRank> at_{};
};

}  // namespace qavit::cuda::emulation
