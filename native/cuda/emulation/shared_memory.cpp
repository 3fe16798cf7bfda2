#include "cuda/emulation/shared_memory.h"

#include <cstdint>
#include <cstring>

#include "cuda/emulation/block.h"

#ifdef __linux__
#include <link.h>
#endif

namespace qavit::cuda::emulation {

namespace {

#ifdef __linux__
struct ThreadLocals {
  unsigned char* memory = nullptr;
  size_t bytes = 0;
};

// This library's thread_local variables on this OS thread, if `info` is this library.
int find_thread_locals(dl_phdr_info* info, size_t, void* result) {
  const auto here = reinterpret_cast<uintptr_t>(&find_thread_locals);
  bool ours = false;
  size_t bytes = 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    const uintptr_t begin = info->dlpi_addr + header.p_vaddr;
    if (header.p_type == PT_LOAD && here >= begin && here < begin + header.p_memsz) ours = true;
    if (header.p_type == PT_TLS) bytes = header.p_memsz;
  }
  if (!ours) return 0;
  *static_cast<ThreadLocals*>(result) = {static_cast<unsigned char*>(info->dlpi_tls_data), bytes};
  return 1;
}
#endif

}  // namespace

SharedMemory::SharedMemory(size_t dynamic_bytes)
    : dynamic_(static_cast<unsigned char*>(::operator new(dynamic_bytes, kAlignment))), dynamic_bytes_(dynamic_bytes) {
#ifdef __linux__
  current = nullptr;  // a library's thread_local variables come into being when one is touched
  ThreadLocals found;
  (void)dl_iterate_phdr(find_thread_locals, &found);
  if (found.memory != nullptr) {
    static_ = found.memory;
    static_bytes_ = found.bytes;
  }
#endif
}

SharedMemory::~SharedMemory() { ::operator delete(dynamic_, kAlignment); }

void SharedMemory::poison() const {
  Thread* const running = current;
  std::memset(dynamic_, 0xff, dynamic_bytes_);
  if (static_ != nullptr) std::memset(static_, 0xff, static_bytes_);
  current = running;
}

bool SharedMemory::holds(const void* address, size_t bytes) const {
  const auto inside = [&](const unsigned char* memory, size_t size) {
    const auto begin = reinterpret_cast<uintptr_t>(memory), at = reinterpret_cast<uintptr_t>(address);
    return at >= begin && bytes <= size && at - begin <= size - bytes;
  };
  return inside(dynamic_, dynamic_bytes_) || static_ == nullptr || inside(static_, static_bytes_);
}

}  // namespace qavit::cuda::emulation
