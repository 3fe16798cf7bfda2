#pragma once

#include <type_traits>

#include "cuda/device/sm90/matrix_descriptor.h"
#include "cuda/device/types.cuh"

namespace qavit::cuda::sm90 {

enum class Major { kK = 0, kMn = 1 };

inline void wgmma_fence() {}
inline void wgmma_commit() { emulation::commit_products(); }
template <int kGroups>
inline void wgmma_wait() {
  emulation::wait_products(kGroups);
}
template <int kBlocks>
inline void pin_registers(float (&)[kBlocks][4]) {}
template <int kGroups, int kBlocks>
inline void wgmma_wait(float (&)[kBlocks][4]) {
  wgmma_wait<kGroups>();
}

template <typename T, Major kMajorOfB = Major::kK, int kBlocks>
inline void wgmma(float (&d)[kBlocks][4], uint64_t a, uint64_t b, bool accumulate) {
  emulation::issue_product(
      {&d[0][0], kBlocks, a, nullptr, b, kMajorOfB == Major::kMn, accumulate, std::is_same_v<T, bf16>});
}
template <typename T, Major kMajorOfB = Major::kK, int kBlocks>
inline void wgmma(float (&d)[kBlocks][4], const uint32_t (&a)[4], uint64_t b, bool accumulate) {
  emulation::issue_product({&d[0][0], kBlocks, 0, a, b, kMajorOfB == Major::kMn, accumulate, std::is_same_v<T, bf16>});
}

}  // namespace qavit::cuda::sm90
