#include "transfers.h"

#include <algorithm>
#include <cstring>

namespace qavit::cuda::emulation {

namespace {

constexpr uint32_t kLineBytes = 128, kChunkBytes = 16;
constexpr int64_t kChunkElements = 8;

}  // namespace

Transfer::Transfer(unsigned thread, unsigned char* shared, const CUtensorMap& map,
                   std::initializer_list<int> coordinates)
    : thread_(thread), shared_(shared), layout_(map.layout) {
  if (coordinates.size() != static_cast<size_t>(layout_.rank)) fault("coordinates of another rank than their map");
  std::copy(coordinates.begin(), coordinates.end(), at_.begin());
  // What the kernels keep to, and all that is written down here.
  if (!layout_.swizzled || layout_.box[0] * 2 != kLineBytes) fault("a box whose lines are not 128 bytes");
  for (const int at : at_) {
    if (at < 0) fault("a negative coordinate");
  }
  if (at_[0] % kChunkElements != 0) fault("a box that begins within 16 bytes");
}

uint32_t Transfer::bytes() const {
  int64_t lines = 1;
  for (size_t i = 1; i < static_cast<size_t>(layout_.rank); ++i) lines *= layout_.box[i];
  return static_cast<uint32_t>(lines) * kLineBytes;
}

// Calls visit(place in shared memory, place in device memory, bytes of it within the tensor) for every 16 bytes.
template <typename Visit>
void Transfer::for_chunks(const Visit& visit) const {
  auto* const data = static_cast<unsigned char*>(const_cast<void*>(layout_.data));
  const uint32_t lines = bytes() / kLineBytes;
  for (uint32_t line = 0; line < lines; ++line) {
    int64_t rest = line, offset = 0;
    bool inside = true;
    for (size_t i = 1; i < static_cast<size_t>(layout_.rank); ++i) {
      const int64_t index = at_[i] + rest % layout_.box[i];
      rest /= layout_.box[i];
      inside = inside && index < layout_.sizes[i];
      offset += index * layout_.strides[i];
    }
    for (uint32_t chunk = 0; chunk < kLineBytes / kChunkBytes; ++chunk) {
      const int64_t column = at_[0] + chunk * kChunkElements;
      const int64_t elements = inside ? std::clamp<int64_t>(layout_.sizes[0] - column, 0, kChunkElements) : 0;
      const uint32_t place = line * kLineBytes + (chunk ^ line % 8) * kChunkBytes;
      visit(shared_ + place, elements > 0 ? data + (offset + column) * 2 : nullptr, static_cast<size_t>(elements) * 2);
    }
  }
}

void Transfer::poison() const { std::memset(shared_, 0xff, bytes()); }

void Transfer::load() const {
  for_chunks([](unsigned char* to, const unsigned char* from, size_t inside) {
    if (inside > 0) std::memcpy(to, from, inside);
    std::memset(to + inside, 0, kChunkBytes - inside);
  });
}

void Transfer::store() const {
  for_chunks([](const unsigned char* from, unsigned char* to, size_t inside) {
    if (inside > 0) std::memcpy(to, from, inside);
  });
}

}  // namespace qavit::cuda::emulation
