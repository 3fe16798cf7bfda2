// PinnedHalves: host memory that the GPU reads and writes by itself, in two halves that take turns: one is filled or
// emptied by the processor while the other travels.
#pragma once

#include <cstddef>

#include "core/status.h"
#include "cuda/runtime.h"

namespace qavit::cuda {

// Large enough that the cost of starting a copy vanishes (80 us of travel over PCIe 5), small enough for machines that
// let a process pin little.
inline constexpr size_t kHalfBytes = size_t{4} << 20;

class PinnedHalves {
 public:
  struct Half {
    char* memory = nullptr;           // kHalfBytes
    cudaEvent_t travelled = nullptr;  // the last copy from or to it; never recorded counts as passed
  };

  PinnedHalves() = default;
  // Waits for copies under way.
  ~PinnedHalves();
  PinnedHalves(const PinnedHalves&) = delete;
  PinnedHalves& operator=(const PinnedHalves&) = delete;

  // Takes the memory, at the first call. ERR_OUT_OF_MEMORY where there is none to pin.
  Status prepare();

  Half& operator[](size_t i) { return halves_[i]; }

 private:
  Half halves_[2];
};

}  // namespace qavit::cuda
