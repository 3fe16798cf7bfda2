// What kernels are chosen by. Read once when a device is opened.
#pragma once

#include <cstddef>

namespace qavit::cuda {

// The tile of matrix products and into how many parts they split their sums, where these are measured and not chosen:
// QAVIT_CUDA_TILE. A shape that cannot be split so often is split less.
struct GemmChoice {
  int tile = -1;
  int splits = 1;
};

struct DeviceProperties {
  int ordinal = 0;
  int compute_capability = 0;  // 80, 90, 120: major * 10 + minor
  int multiprocessors = 0;
  size_t shared_bytes_per_block = 0;  // with opt-in
  size_t l2_bytes = 0;
  bool emulated = false;  // the CPU emulation: portable kernels only, no TMA, no wgmma
  bool portable = false;  // only kernels that every GPU runs: QAVIT_CUDA_KERNELS, for comparing and as a way out
  bool overlap = false;   // kernels may start while the one before them ends (device/dependent_launch.cuh)
  GemmChoice gemm = {};
};

}  // namespace qavit::cuda
