// How the sm_90a kernel cuts attention up, and where the pieces lie in shared memory.
//
//   queries  | panel 0: 128 lines | panel 1 |                     a panel: 64 columns, a line of 128 bytes a row,
//   swizzled stage 0  | k: 64 lines a panel          | v: as k |           (device/sm90/swizzle.h) stage 1  | ...
//
// Heads are padded to kWidth columns; panels are whole even where kWidth ends within the second one.
#pragma once

#include <cstddef>

#include "cuda/device/sm90/swizzle.h"

namespace qavit::cuda {

template <int kPaddedWidth>
struct Sm90Tiles {
  static constexpr int kWidth = kPaddedWidth;
  static constexpr int kPanels = (kWidth + 63) / 64;
  static constexpr int kKeys = 64;       // of a tile
  static constexpr int kConsumers = 2;   // warpgroups that compute
  static constexpr int kGroupRows = 64;  // queries of each: the M of wgmma
  static constexpr int kQueryRows = kConsumers * kGroupRows;
  static constexpr int kThreads = 128 * (1 + kConsumers);

  // Blocks on a multiprocessor. 2 where half the registers hold sums and scores (at 96 they spill): what one block
  // waits for (its first tile, its last store) the other hides, and 4 warpgroups alternate between tensor cores and
  // exponentials.
  static constexpr int kBlocks = kWidth <= 80 ? 2 : 1;
  // Registers of a thread after they have changed hands: 384 threads start with 80 (2 blocks) or 168 (1 block) each,
  // and 128 * 32 + 256 * 104 = 384 * 80; 128 * 40 + 256 * 232 = 384 * 168.
  static constexpr int kProducerRegisters = kBlocks == 2 ? 32 : 40;
  static constexpr int kConsumerRegisters = kBlocks == 2 ? 104 : 232;

  static_assert(128 * (kProducerRegisters + kConsumers * kConsumerRegisters) <=
                kThreads * (65536 / (kThreads * kBlocks) / 8 * 8));

  static constexpr uint32_t kQueryPanelBytes = kQueryRows * sm90::kLineBytes;
  static constexpr uint32_t kGroupBytes = kGroupRows * sm90::kLineBytes;  // of one consumer's rows, in a panel
  static constexpr uint32_t kQueryBytes = kPanels * kQueryPanelBytes;
  static constexpr uint32_t kKeyPanelBytes = kKeys * sm90::kLineBytes;
  static constexpr uint32_t kTileBytes = kPanels * kKeyPanelBytes;  // of k, and of v
  static constexpr int kStages = kBlocks == 2 && kPanels == 2 ? 2 : 4;
  static constexpr size_t kSharedBytes = kQueryBytes + kStages * 2 * kTileBytes;
  // What a block has to ask for to have a multiprocessor to itself: more than half of it.
  static constexpr size_t kAloneBytes = kSharedBytes > 116 * 1024 ? kSharedBytes : 116 * 1024;

  // Half of a multiprocessor's 228 KiB, less the 1 KiB that each block costs and 1 KiB for barriers.
  static_assert(kSharedBytes <= (kBlocks == 2 ? 112 : 225) * 1024);
  static_assert(kQueryPanelBytes % sm90::kPatternBytes == 0 && kKeyPanelBytes % sm90::kPatternBytes == 0);
  static_assert(kWidth % 16 == 0 && kWidth >= 64 && kWidth <= 128);

  // Byte offsets in shared memory.
  __host__ __device__ static constexpr uint32_t key_tile(int stage) {
    return kQueryBytes + static_cast<uint32_t>(stage) * 2 * kTileBytes;
  }
  __host__ __device__ static constexpr uint32_t value_tile(int stage) { return key_tile(stage) + kTileBytes; }
};

}  // namespace qavit::cuda
