// Where the elements of an operand tile lie in shared memory: tiles whose lines are 128 bytes, in the 128-byte swizzle
// that TMA writes (CU_TENSOR_MAP_SWIZZLE_128B) and wgmma reads (matrix_descriptor.h). Plain arithmetic, for host and
// device.
//
// A line's 8 chunks of 16 bytes change places by the line's number: chunk c of line l lies at place c ^ (l % 8). TMA
// and wgmma both take that xor from the address, bits 4-6 ^= bits 7-9; it is the same thing where a tile begins at a
// multiple of 1024 bytes (8 lines), which is why every tile has to.
//
//   line 0 | 0 1 2 3 4 5 6 7        The 8 chunks c of 8 lines lie in 8 different groups of 4 banks, so reading a column
//   line 1 | 1 0 3 2 5 4 7 6        of chunks is as free of conflicts as writing a line.
//   line 2 | 2 3 0 1 6 7 4 5
//   ...
#pragma once

#include <cstdint>

#include "cuda/runtime.h"

namespace qavit::cuda::sm90 {

constexpr uint32_t kLineBytes = 128;      // one line of a tile: 64 elements of 16 bits
constexpr uint32_t kLineElements = 64;    //
constexpr uint32_t kChunkBytes = 16;      // what changes places as one piece
constexpr uint32_t kPatternBytes = 1024;  // after which the pattern repeats; alignment of every tile

// Where the byte `offset` of a tile, counted as if lines lay in order, is found.
__host__ __device__ constexpr uint32_t swizzle_128(uint32_t offset) { return offset ^ ((offset >> 7 & 7) << 4); }

// Byte offset of 16-bit element `element` (0 to 63) of line `line`.
__host__ __device__ constexpr uint32_t element_place(uint32_t line, uint32_t element) {
  return swizzle_128(line * kLineBytes + element * 2);
}

}  // namespace qavit::cuda::sm90
