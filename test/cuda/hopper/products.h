// wgmma on the model: what each warp of a warpgroup has under way, and the arithmetic behind descriptors.
#pragma once

#include <array>
#include <vector>

#include "model.h"

namespace qavit::cuda::emulation {

struct SharedMemory {
  const unsigned char* data;
  size_t bytes;
};

// A warp's part of a wgmma: 16 of its 64 rows.
struct WarpProduct {
  std::array<float*, 32> d;
  std::array<std::array<uint32_t, 4>, 32> a_registers;
  int threads = 0;    // that have issued it
  bool late = false;  // not before it is waited for

  // Reads operands out of shared memory, and writes every lane's d.
  void execute(const Product& shape, unsigned warp, const SharedMemory& shared);
};

// Tells contents of A apart, all 64 rows of it: the manual does not say that a warp reads its own rows only. 0 where A
// is in registers.
uint64_t fingerprint_of_a(const Product& shape, const SharedMemory& shared);

struct Warpgroup {
  struct Warp {
    std::vector<WarpProduct> products;
    size_t done = 0;  // of them: they are done in order
    std::array<size_t, 32> issued{};
    std::array<std::vector<size_t>, 32> committed;  // products issued when a group was closed
  };

  std::vector<Product> shapes;  // equal for all threads
  std::vector<int> threads;     // of the warpgroup that have issued each
  std::vector<uint64_t> a;      // fingerprints, when the first warp's product was done; 0 before
  std::array<Warp, 4> warps;
};

}  // namespace qavit::cuda::emulation
