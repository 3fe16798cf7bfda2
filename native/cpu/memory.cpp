#include "cpu/memory.h"

#include <cstdint>
#include <new>
#include <utility>

#include "core/arena.h"
#include "core/memory_limit.h"
#include "core/rounding.h"

// AddressSanitizer sees only what comes from the allocator.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define QAVIT_ADDRESS_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define QAVIT_ADDRESS_SANITIZER
#endif

#if defined(__linux__) && !defined(QAVIT_ADDRESS_SANITIZER)
#define QAVIT_HUGE_PAGES
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#endif

namespace qavit::cpu {

namespace {

#ifdef QAVIT_HUGE_PAGES

// Blocks this large come from the kernel itself, aligned to a huge page and offered to it as such: packed weights are
// streamed once per forward pass, and a tile of a product touches rows a small page and more apart, so that 4 KiB pages
// would spend an address translation a row. The allocator's memory will not do: most of it was touched before, and
// pages that were handed out small stay small unless the kernel is told to join them (settle).
constexpr size_t kHugePage = size_t{2} << 20;

bool is_large(size_t bytes) { return bytes >= kHugePage; }

// What is behind the last whole huge page is left to small ones, so that a block takes no more than its bytes.
size_t mapped_bytes(size_t bytes) { return round_up(bytes, static_cast<size_t>(sysconf(_SC_PAGESIZE))); }

void* take_large(size_t bytes, Pages pages) {
  if (bytes > SIZE_MAX / 2) return nullptr;
  const size_t wanted = mapped_bytes(bytes);
  void* const start = mmap(nullptr, wanted + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return nullptr;
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(start) % kHugePage) % kHugePage;
  char* const block = static_cast<char*>(start) + before;
  if (before > 0) munmap(start, before);
  munmap(block + wanted, kHugePage - before);
  // A hint, as all of them here: failure is no matter.
  madvise(block, wanted, pages == Pages::kHuge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  return block;
}

void give_large(void* data, size_t bytes) { munmap(data, mapped_bytes(bytes)); }

// The kernel's khugepaged joins the pages of memory that is advised so, by default 1.6 MiB a second.
void settle_large(void* data, size_t bytes) { madvise(data, mapped_bytes(bytes), MADV_HUGEPAGE); }

// Linux 6.1; older headers do not name it.
constexpr int kCollapse = 25;

// MADV_COLLAPSE would not ask.
bool huge_pages_are_allowed() {
  static const bool allowed = [] {
    std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
    std::string modes;
    return std::getline(file, modes) && modes.find("[never]") == std::string::npos;
  }();
  return allowed;
}

bool join_large(void* data, size_t bytes, size_t* from) {
  if (bytes - *from < kHugePage || !huge_pages_are_allowed()) return false;
  const int failed = madvise(static_cast<char*>(data) + *from, kHugePage, kCollapse);
  *from += kHugePage;
  // Any other error is about these pages alone.
  return failed == 0 || errno != EINVAL;
}

#else

bool is_large(size_t) { return false; }
void* take_large(size_t, Pages) { return nullptr; }
void give_large(void*, size_t) {}
void settle_large(void*, size_t) {}
bool join_large(void*, size_t, size_t*) { return false; }

#endif

}  // namespace

AlignedMemory::AlignedMemory(AlignedMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

AlignedMemory& AlignedMemory::operator=(AlignedMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void AlignedMemory::release() {
  if (data_ != nullptr) {
    is_large(bytes_) ? give_large(data_, bytes_) : ::operator delete(data_, std::align_val_t{kAlignment});
  }
  data_ = nullptr;
  bytes_ = 0;
}

void AlignedMemory::settle() {
  if (data_ != nullptr && is_large(bytes_)) settle_large(data_, bytes_);
}

bool AlignedMemory::join(size_t* from) {
  return data_ != nullptr && is_large(bytes_) && *from < bytes_ && join_large(data_, bytes_, from);
}

Status AlignedMemory::reserve(size_t bytes, const std::string& where, Pages pages) {
  if (bytes <= bytes_) return Status();
  release();
  QAVIT_RETURN_IF_ERROR(check_host_memory(bytes, where));
  data_ =
      is_large(bytes) ? take_large(bytes, pages) : ::operator new(bytes, std::align_val_t{kAlignment}, std::nothrow);
  if (data_ == nullptr)
    return expected(ErrorCode::kOutOfMemory, std::to_string(bytes) + " bytes of memory", where, "none");
  bytes_ = bytes;
  return Status();
}

}  // namespace qavit::cpu
