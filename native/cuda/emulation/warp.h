// What the threads of a block and the lanes of a warp do together.
#pragma once

#include <cstdint>
#include <cstring>

#include "cuda/emulation/block.h"
#include "cuda/emulation/narrow_floats.h"

#define threadIdx (::qavit::cuda::emulation::current->index)
#define blockIdx (::qavit::cuda::emulation::current->block->index())
#define blockDim (::qavit::cuda::emulation::current->block->size())
#define gridDim (::qavit::cuda::emulation::current->block->grid())

constexpr int warpSize = qavit::cuda::emulation::kWarpSize;

namespace qavit::cuda::emulation {

constexpr uint32_t kAllLanes = 0xffffffffu;

inline int lane() { return current->number % kWarpSize; }

inline void warp_instruction(WarpInstruction instruction, uint32_t mask, void* operand, Site site) {
  current->block->warp_instruction(instruction, mask, operand, site);
}

// `bits` of lane `source`; all ones from a lane that has ended or is not in the mask.
uint64_t exchange(uint32_t mask, uint64_t bits, int source, Site site);

template <typename T>
T exchange(uint32_t mask, T value, int source, Site site) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = exchange(mask, bits, source, site);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// A bit for every lane of the mask whose `predicate` is true.
uint32_t ballot(uint32_t mask, bool predicate, Site site);

// ldmatrix.sync.aligned.m8n8.shared.b16, of kCount matrices. Lane i names row i % 8 of matrix i / 8 (16 bytes,
// aligned); that row is read when the lane arrives: __syncwarp() or a barrier must have come between it and other
// lanes' writes.
template <int kCount, bool kTransposed>
void load_matrices(uint32_t (&registers)[kCount], const void* row, Site site);

// mma.sync.aligned.m16n8k16.row.col.f32: d += a b.
template <typename T>
void multiply_add(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], Site site);

}  // namespace qavit::cuda::emulation

#define QAVIT_EMULATED_SITE const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(QAVIT_EMULATED_SITE) { qavit::cuda::emulation::current->block->barrier({file, line}); }

inline void __syncwarp(uint32_t mask = qavit::cuda::emulation::kAllLanes, QAVIT_EMULATED_SITE) {
  qavit::cuda::emulation::warp_instruction(nullptr, mask, nullptr, {file, line});
}

template <typename T>
T __shfl_sync(uint32_t mask, T value, int source, int width = warpSize, QAVIT_EMULATED_SITE) {
  const int lane = qavit::cuda::emulation::lane();
  return qavit::cuda::emulation::exchange(mask, value, lane / width * width + source % width, {file, line});
}

template <typename T>
T __shfl_xor_sync(uint32_t mask, T value, int difference, int width = warpSize, QAVIT_EMULATED_SITE) {
  const int lane = qavit::cuda::emulation::lane(), source = lane ^ difference;
  const bool within = source < (lane / width + 1) * width;
  return qavit::cuda::emulation::exchange(mask, value, within ? source : lane, {file, line});
}

template <typename T>
T __shfl_down_sync(uint32_t mask, T value, unsigned distance, int width = warpSize, QAVIT_EMULATED_SITE) {
  const int lane = qavit::cuda::emulation::lane(), source = lane + static_cast<int>(distance);
  const bool within = source < (lane / width + 1) * width;
  return qavit::cuda::emulation::exchange(mask, value, within ? source : lane, {file, line});
}

template <typename T>
T __shfl_up_sync(uint32_t mask, T value, unsigned distance, int width = warpSize, QAVIT_EMULATED_SITE) {
  const int lane = qavit::cuda::emulation::lane(), source = lane - static_cast<int>(distance);
  const bool within = source >= lane / width * width;
  return qavit::cuda::emulation::exchange(mask, value, within ? source : lane, {file, line});
}

inline uint32_t __ballot_sync(uint32_t mask, int predicate, QAVIT_EMULATED_SITE) {
  return qavit::cuda::emulation::ballot(mask, predicate != 0, {file, line});
}
inline int __any_sync(uint32_t mask, int predicate, QAVIT_EMULATED_SITE) {
  return qavit::cuda::emulation::ballot(mask, predicate != 0, {file, line}) != 0;
}
inline int __all_sync(uint32_t mask, int predicate, QAVIT_EMULATED_SITE) {
  return qavit::cuda::emulation::ballot(mask, predicate == 0, {file, line}) == 0;
}
