// What TMA writes is what wgmma reads: both are described here by themselves, from the PTX manual, and meet in the
// addresses that the kernels compute.
#include <cstring>
#include <vector>

#include "check.h"
#include "cuda/device/sm90/matrix_descriptor.h"
#include "cuda/device/sm90/ring.h"
#include "cuda/device/sm90/tensor_layout.h"
#include "cuda/linear/linear_sm90_plan.h"
#include "tests.h"

namespace qavit::cuda::test {

namespace {

constexpr uint32_t kWindow = 227 * 1024;

// The 128-byte swizzle of both engines: address bits 4-6 xor bits 7-9.
uint32_t hardware_swizzle(uint32_t address) { return address ^ (address >> 3 & 0x70); }

// Shared memory in 16-bit elements.
class SharedMemory {
 public:
  SharedMemory() : elements_(kWindow / 2, -1) {}

  // TMA: the box's lines of 64 elements behind each other, swizzled. `value` of (line, element).
  template <typename Value>
  void write_box(uint32_t address, int lines, const Value& value) {
    for (int line = 0; line < lines; ++line) {
      for (int i = 0; i < 64; ++i) {
        const auto offset = static_cast<uint32_t>(line * 128 + i * 2);
        elements_[hardware_swizzle(address + offset) / 2] = value(line, i);
      }
    }
  }

  // wgmma: element (row, k) of the operand that the descriptor names, k < 16.
  int read(uint64_t descriptor, bool k_major, int row, int k) const {
    const auto field = [&](int bit) { return static_cast<uint32_t>(descriptor >> bit & 0x3FFF) << 4; };
    const uint32_t start = field(0), leading = field(16), stride = field(32);
    const auto at = [](int i) { return static_cast<uint32_t>(i); };
    const uint32_t address =
        k_major ? start + at(row / 8) * stride + at(row % 8) * 128 + at(k) * 2
                : start + at(row / 64) * leading + at(k / 8) * stride + at(k % 8) * 128 + at(row % 64) * 2;
    return elements_[hardware_swizzle(address) / 2];
  }

 private:
  std::vector<int> elements_;
};

int element(int row, int k) { return row * 1000 + k; }

void test_fields() {
  const uint64_t d = sm90::matrix_descriptor(0x2A400, 16, 1024);
  hold((d & 0x3FFF) == 0x2A40, "start address >> 4");
  hold((d >> 16 & 0x3FFF) == 1, "leading offset >> 4");
  hold((d >> 32 & 0x3FFF) == 64, "stride offset >> 4");
  hold((d >> 49 & 7) == 0, "base offset 0");
  hold(d >> 62 == 1, "128-byte swizzle");
  const uint64_t used = 0x3FFFull | 0x3FFFull << 16 | 0x3FFFull << 32 | 7ull << 49 | 3ull << 62;
  hold((d & ~used) == 0, "bits between the fields are 0");
  hold((sm90::matrix_descriptor(~0u, ~0u, ~0u) & ~used) == 0, "no field runs into the next");
}

void test_k_major() {
  for (const uint32_t address : {0u, 1024u, 8192u * 7, kWindow / 1024 * 1024 - 256 * 128}) {
    SharedMemory memory;
    memory.write_box(address, 256, element);
    const uint64_t first = sm90::k_major_descriptor(address);
    for (int part = 0; part < 4; ++part) {
      for (int step = 0; step < 4; ++step) {
        const uint64_t d =
            first + static_cast<unsigned>(part) * sm90::kRowsStep + static_cast<unsigned>(step) * sm90::kKMajorStep;
        for (int row = 0; row < 64; ++row) {
          for (int k = 0; k < 16; ++k) {
            hold(memory.read(d, true, row, k) == element(part * 64 + row, step * 16 + k), "K-major operand");
          }
        }
      }
    }
  }
}

// V [keys, width]: boxes of 64 columns behind each other; the product's rows are the columns.
void test_mn_major() {
  for (const int width : {64, 72, 80, 88, 96, 128, 192, 256}) {
    for (const int keys : {16, 64, 192}) {
      SharedMemory memory;
      const auto block = static_cast<uint32_t>(keys) * 128;
      const uint32_t address = 2048;
      for (int column = 0; column < width; column += 64) {
        memory.write_box(address + static_cast<uint32_t>(column / 64) * block, keys,
                         [&](int key, int i) { return element(column + i, key); });
      }
      for (int step = 0; step < keys / 16; ++step) {
        const uint64_t d = sm90::mn_major_descriptor(address, block) + static_cast<unsigned>(step) * sm90::kMnMajorStep;
        for (int row = 0; row < width; ++row) {
          for (int k = 0; k < 16; ++k) {
            hold(memory.read(d, false, row, k) == element(row, step * 16 + k), "MN-major operand");
          }
        }
      }
    }
  }
}

// Every tile's consumers find their rows of x and of W in every slot.
void test_tiles() {
  for (const Sm90Tile& tile : kSm90Tiles) {
    for (int slot = 0; slot < tile.stages; ++slot) {
      const auto x = static_cast<uint32_t>(slot * tile.stage_bytes());
      const uint32_t weight = x + static_cast<uint32_t>(tile.rows) * 128;
      hold(x % sm90::kPatternBytes == 0 && weight % sm90::kPatternBytes == 0, "tiles begin a swizzle pattern");
      const uint64_t moved =
          sm90::k_major_descriptor(0) +
          static_cast<unsigned>(slot) * sm90::descriptor_step(static_cast<uint32_t>(tile.stage_bytes()));
      hold(moved == sm90::k_major_descriptor(x), "a slot's descriptor is the first slot's, moved");
    }
    hold(kSm90Consumers * tile.part_rows() * tile.part_columns() == (tile.in_turns ? 2 : 1) * tile.rows * tile.columns,
         "consumers' parts make up the tile");
  }
}

void test_places() {
  for (uint32_t line = 0; line < 64; ++line) {
    for (uint32_t i = 0; i < 64; ++i) {
      hold(sm90::element_place(line, i) == hardware_swizzle(line * 128 + i * 2), "element_place");
    }
  }
}

void test_ring() {
  sm90::RingPosition<5> one, many;
  for (int n = 0; n < 200; ++n) {
    hold(one.slot == n % 5 && one.full_parity() == static_cast<uint32_t>(n / 5 % 2), "ring position");
    hold(one.empty_parity() == 1 - one.full_parity(), "empty parity");
    for (int steps = 0; steps < 23; ++steps) {
      sm90::RingPosition<5> jumped = one, walked = one;
      jumped.advance(steps);
      for (int i = 0; i < steps; ++i) walked.advance();
      hold(jumped.slot == walked.slot && jumped.round == walked.round, "advance(steps)");
    }
    one.advance();
  }
}

}  // namespace

void test_addresses() {
  test_fields();
  test_places();
  test_k_major();
  test_mn_major();
  test_tiles();
  test_ring();
  done("addresses");
}

void test_tensor_layouts() {
  sm90::TensorLayout good;
  good.rank = 3;
  good.sizes = {72, 577, 12};
  good.strides = {1, 3072, 72};
  good.box = {64, 128, 1};
  hold(sm90::fits_tensor_map(good), "a slice of a fused projection");
  const auto refuses = [&](const char* what, const auto& change) {
    sm90::TensorLayout layout = good;
    change(layout);
    hold(!sm90::fits_tensor_map(layout), what);
  };
  refuses("an address between 16 bytes", [](auto& l) { l.data = reinterpret_cast<void*>(8); });
  refuses("a stride between 16 bytes", [](auto& l) { l.strides[1] = 3068; });
  refuses("a last stride between 16 bytes", [](auto& l) { l.strides[2] = 76; });
  refuses("a stride of 0", [](auto& l) { l.strides[1] = 0; });
  refuses("a stride of 2^40 bytes", [](auto& l) { l.strides[1] = int64_t{1} << 39; });
  refuses("no rows", [](auto& l) { l.sizes[1] = 0; });
  refuses("2^32 rows and one", [](auto& l) { l.sizes[1] = (int64_t{1} << 32) + 1; });
  refuses("a box of 257 rows", [](auto& l) { l.box[1] = 257; });
  refuses("lines longer than the swizzle", [](auto& l) { l.box[0] = 72; });
  refuses("lines between 16 bytes", [](auto& l) { l.box[0] = 60; });
  refuses("one dimension", [](auto& l) { l.rank = 1; });
  done("tensor layouts");
}

}  // namespace qavit::cuda::test
