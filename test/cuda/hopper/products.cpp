#include "products.h"

#include <bit>

#include "cuda/emulation/narrow_floats.h"

namespace qavit::cuda::emulation {

namespace {

constexpr uint32_t kDepth = 16;         // of one wgmma's sums
constexpr uint32_t kWarpRows = 16;      // of the result
constexpr uint32_t kMostColumns = 256;  // of the result

float widen(uint16_t bits, bool is_bf16) {
  return is_bf16 ? bf16_to_f32(bits) : __half2float(std::bit_cast<__half>(bits));
}

// The 16 bits at `address` of shared memory, as an access in the 128-byte swizzle finds them: address bits 4 to 6 xor
// bits 7 to 9.
uint16_t swizzled_element(const SharedMemory& shared, uint32_t address) {
  const uint32_t place = address ^ ((address >> 7 & 7) << 4);
  if (place + 2 > shared.bytes) fault("a descriptor that leads out of shared memory");
  return static_cast<uint16_t>(shared.data[place] | shared.data[place + 1] << 8);
}

struct Descriptor {
  uint32_t start, leading, stride;

  explicit Descriptor(uint64_t bits)
      : start(static_cast<uint32_t>(bits & 0x3fff) << 4),
        leading(static_cast<uint32_t>(bits >> 16 & 0x3fff) << 4),
        stride(static_cast<uint32_t>(bits >> 32 & 0x3fff) << 4) {
    if (bits >> 62 != 1) fault("a descriptor without the 128-byte swizzle");
    if ((bits >> 49 & 7) != 0) fault("a descriptor with a base offset");
  }

  // K-major: groups of 8 rows `stride` apart, a row 128 bytes.
  uint32_t k_major(uint32_t row, uint32_t k) const { return start + row / 8 * stride + row % 8 * 128 + k * 2; }
  // MN-major: 64 rows a line, groups of 8 k `stride` apart, the next 64 rows `leading` further.
  uint32_t mn_major(uint32_t row, uint32_t k) const {
    return start + row / 64 * leading + k / 8 * stride + k % 8 * 128 + row % 64 * 2;
  }
};

struct Operands {
  float a[kWarpRows][kDepth];
  float b[kDepth][kMostColumns];
};

void read_b(const Product& shape, uint32_t columns, const SharedMemory& shared, Operands& to) {
  const Descriptor of_b(shape.b);
  for (uint32_t k = 0; k < kDepth; ++k) {
    for (uint32_t n = 0; n < columns; ++n) {
      const uint32_t address = shape.b_is_mn_major ? of_b.mn_major(n, k) : of_b.k_major(n, k);
      to.b[k][n] = widen(swizzled_element(shared, address), shape.is_bf16);
    }
  }
}

// The lane that holds an element, of fragments that repeat every 8 rows and 8 columns.
uint32_t lane_of(uint32_t row, uint32_t column) { return row % 8 * 4 + column % 8 / 2; }

}  // namespace

uint64_t fingerprint_of_a(const Product& shape, const SharedMemory& shared) {
  if (shape.a_registers != nullptr) return 0;
  const Descriptor of_a(shape.a);
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (uint32_t row = 0; row < 4 * kWarpRows; ++row) {
    for (uint32_t k = 0; k < kDepth; ++k) {
      hash = (hash ^ swizzled_element(shared, of_a.k_major(row, k))) * 1099511628211u;
    }
  }
  return hash;
}

void WarpProduct::execute(const Product& shape, unsigned warp, const SharedMemory& shared) {
  const auto columns = static_cast<uint32_t>(shape.blocks) * 8;
  Operands operands;
  read_b(shape, columns, shared, operands);
  for (uint32_t row = 0; row < kWarpRows; ++row) {
    for (uint32_t k = 0; k < kDepth; ++k) {
      uint16_t bits;
      if (shape.a_registers == nullptr) {
        bits = swizzled_element(shared, Descriptor(shape.a).k_major(warp * kWarpRows + row, k));
      } else {
        bits = static_cast<uint16_t>(a_registers[lane_of(row, k)][row / 8 + k / 8 * 2] >> k % 2 * 16);
      }
      operands.a[row][k] = widen(bits, shape.is_bf16);
    }
  }
  for (uint32_t row = 0; row < kWarpRows; ++row) {
    float sums[kMostColumns];
    const auto sum_at = [&](uint32_t n) -> float& { return d[lane_of(row, n)][n / 8 * 4 + row / 8 * 2 + n % 2]; };
    for (uint32_t n = 0; n < columns; ++n) sums[n] = shape.accumulate ? sum_at(n) : 0.0f;
    for (uint32_t k = 0; k < kDepth; ++k) {
      for (uint32_t n = 0; n < columns; ++n) sums[n] += operands.a[row][k] * operands.b[k][n];
    }
    for (uint32_t n = 0; n < columns; ++n) sum_at(n) = sums[n];
  }
}

}  // namespace qavit::cuda::emulation
