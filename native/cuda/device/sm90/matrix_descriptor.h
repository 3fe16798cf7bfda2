// The 64 bits by which wgmma finds an operand in shared memory (PTX ISA, "Matrix Descriptor Format"), for tiles in the
// 128-byte swizzle (swizzle.h). Plain arithmetic, for host and device.
//
//   bits  0-13  start address >> 4          bits 16-29  leading byte offset >> 4     bits 32-45  stride byte offset >>
//   4 bits 49-51  base offset: 0, since patterns start at multiples of 1024 bytes      bits 62-63  swizzle: 1 = 128
//   bytes
//
// One wgmma takes 16 of the sum's k from A [64, k] and B [N, k]. "Rows" below are A's 64 or B's N.
//
// K-major: k is contiguous, as in a row-major x [rows, k] or W [N, k]. A tile holds 64 k, one line a row:
//   row r, k  ->  element_place(r, k)
//   stride offset 1024: from 8 rows to the next 8. The leading offset goes unused (16 k lie within one line); it is 1
//   by convention. The next 16 k begin 32 bytes further on, kKMajorStep: still inside the first line, so the
//   descriptor's address is no multiple of 1024 then; that is allowed because the xor takes the bits of the address it
//   has computed, and a start of 32, 64 or 96 bytes leaves bits 7-9 (the line) as they are.
//
// MN-major: the rows are contiguous, as N is in V [k, N], whose k are keys. A block of the tile holds 64 of the rows,
// one line a k; a tile of more rows is blocks behind each other, each a TMA box:
//   row r, k  ->  r / 64 * block_bytes + element_place(k, r % 64)
//   stride offset 1024: from 8 k to the next 8 k. Leading offset: block_bytes, from 64 rows to the next 64. The next
//   16 k begin 16 lines further on, kMnMajorStep. N need not be a multiple of 64: the last block is read in part.
#pragma once

#include <cstdint>

#include "cuda/device/sm90/swizzle.h"

namespace qavit::cuda::sm90 {

// What is added to a descriptor to move it by `bytes`. The address field is the lowest and never carries: shared memory
// ends below 2^18 bytes, the field's range.
__host__ __device__ constexpr uint64_t descriptor_step(uint32_t bytes) { return bytes >> 4; }

constexpr uint64_t kKMajorStep = descriptor_step(16 * 2);            // to the next 16 k
constexpr uint64_t kMnMajorStep = descriptor_step(16 * kLineBytes);  // to the next 16 k
constexpr uint64_t kRowsStep = descriptor_step(64 * kLineBytes);     // K-major: to the next 64 rows

__host__ __device__ constexpr uint64_t matrix_descriptor(uint32_t address, uint32_t leading_bytes,
                                                         uint32_t stride_bytes) {
  return static_cast<uint64_t>(address >> 4 & 0x3FFF) | static_cast<uint64_t>(leading_bytes >> 4 & 0x3FFF) << 16 |
         static_cast<uint64_t>(stride_bytes >> 4 & 0x3FFF) << 32 | uint64_t{1} << 62;
}

// `address`: of the tile in the shared window (shared_address()), a multiple of kPatternBytes.
__host__ __device__ constexpr uint64_t k_major_descriptor(uint32_t address) {
  return matrix_descriptor(address, 1 << 4, kPatternBytes);
}

// `block_bytes`: from one block of 64 rows to the next, a multiple of kPatternBytes.
__host__ __device__ constexpr uint64_t mn_major_descriptor(uint32_t address, uint32_t block_bytes) {
  return matrix_descriptor(address, block_bytes, kPatternBytes);
}

}  // namespace qavit::cuda::sm90
