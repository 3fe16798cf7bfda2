// The little that the emulation's own tests need: checks that count and print, a stream, memory on the device.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "cuda/launch.h"

namespace qavit::test {

inline int failures = 0;

inline void check(bool holds, const std::string& what) {
  std::printf("%s: %s\n", holds ? "ok" : "FAILED", what.c_str());
  if (!holds) ++failures;
}

inline cuda::Launch on_device() {
  static const cuda::DeviceProperties properties = {0, 80, 4, 99 * 1024, 1 << 20, true};
  static cudaStream_t stream = [] {
    cudaStream_t made = nullptr;
    (void)cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking);
    return made;
  }();
  return {properties, stream, nullptr, 0};
}

// Device memory that begins as NaNs, or as a copy of `values`.
template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t count) : count_(count) {
    void* memory = nullptr;
    if (cudaMalloc(&memory, count * sizeof(T)) != cudaSuccess) std::exit(2);
    data_ = static_cast<T*>(memory);
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    for (size_t i = 0; i < count_; ++i) data_[i] = values[i];
  }
  ~DeviceArray() { (void)cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  size_t size() const { return count_; }
  T& operator[](size_t i) const { return data_[i]; }

 private:
  T* data_;
  size_t count_;
};

// Seeds tried where a kernel may go wrong in some orders only.
constexpr uint64_t kSeeds = 16;

}  // namespace qavit::test
