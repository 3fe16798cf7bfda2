#include "cuda/pinned_halves.h"

#include "cuda/launch.h"

namespace qavit::cuda {

PinnedHalves::~PinnedHalves() {
  for (Half& half : halves_) {
    if (half.travelled != nullptr) {
      (void)cudaEventSynchronize(half.travelled);
      (void)cudaEventDestroy(half.travelled);
    }
    if (half.memory != nullptr) (void)cudaFreeHost(half.memory);
  }
  (void)cudaGetLastError();
}

Status PinnedHalves::prepare() {
  constexpr const char* kWhere = "pinned host memory";
  for (Half& half : halves_) {
    if (half.memory == nullptr) {
      void* memory = nullptr;
      QAVIT_RETURN_IF_ERROR(check(cudaMallocHost(&memory, kHalfBytes), kWhere));
      half.memory = static_cast<char*>(memory);
    }
    if (half.travelled == nullptr)
      QAVIT_RETURN_IF_ERROR(check(cudaEventCreateWithFlags(&half.travelled, cudaEventDisableTiming), kWhere));
  }
  return Status();
}

}  // namespace qavit::cuda
