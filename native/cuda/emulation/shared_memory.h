// The shared memory of the block that an OS thread runs: the dynamic part, and the static __shared__ variables, which
// are thread_local ones.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace qavit::cuda::emulation {

class SharedMemory {
 public:
  // Exactly `dynamic_bytes`, so that AddressSanitizer sees an access past the end.
  explicit SharedMemory(size_t dynamic_bytes);
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  unsigned char* dynamic() const { return dynamic_; }

  // NaNs everywhere. Only on an OS thread that runs nothing but kernels: static variables cannot be told from the other
  // thread_local ones of this library, so those are overwritten too.
  void poison() const;

  // Whether [address, address + bytes) is shared memory of this block.
  bool holds(const void* address, size_t bytes) const;

 private:
  static constexpr std::align_val_t kAlignment{1024};

  unsigned char* dynamic_;
  size_t dynamic_bytes_;
  unsigned char* static_ = nullptr;  // this library's thread_local variables on this OS thread; null where unknown
  size_t static_bytes_ = 0;
};

}  // namespace qavit::cuda::emulation
