#include "cpu/memory.h"

#include <new>
#include <utility>

#include "core/arena.h"
#include "core/host_buffer.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace qavit::cpu {

namespace {

// Blocks this large are aligned to a huge page and offered to the kernel as such: packed weights are streamed once per
// forward pass, and 4 KiB pages would spend an address translation every 64 cache lines.
constexpr size_t kHugePage = size_t{2} << 20;

size_t alignment_of(size_t bytes) { return bytes >= 2 * kHugePage ? kHugePage : kAlignment; }

}  // namespace

AlignedMemory::AlignedMemory(AlignedMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

AlignedMemory& AlignedMemory::operator=(AlignedMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void AlignedMemory::release() {
  if (data_ != nullptr) ::operator delete(data_, std::align_val_t{alignment_of(bytes_)});
  data_ = nullptr;
  bytes_ = 0;
}

Status AlignedMemory::reserve(size_t bytes, const std::string& where) {
  if (bytes <= bytes_) return Status();
  release();
  const size_t alignment = alignment_of(bytes);
  data_ = ::operator new(bytes, std::align_val_t{alignment}, std::nothrow);
  if (data_ == nullptr)
    return expected(ErrorCode::kOutOfMemory, std::to_string(bytes) + " bytes of memory", where, "none");
  bytes_ = bytes;
#if defined(__linux__)
  if (alignment == kHugePage) madvise(data_, bytes, MADV_HUGEPAGE);  // a hint: failure is no matter
#endif
  return Status();
}

}  // namespace qavit::cpu
