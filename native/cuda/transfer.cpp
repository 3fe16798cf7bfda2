#include "cuda/transfer.h"

#include <algorithm>
#include <cstring>

#include "cuda/launch.h"

namespace qavit::cuda {

namespace {

// Large enough that the cost of starting a copy vanishes (80 us of travel over PCIe 5), small enough for machines that
// let a process pin little.
constexpr size_t kHalfBytes = size_t{4} << 20;

}  // namespace

Transfer::~Transfer() {
  for (Half& half : halves_) {
    // An event that was never recorded counts as passed.
    if (half.travelled != nullptr) {
      (void)cudaEventSynchronize(half.travelled);
      (void)cudaEventDestroy(half.travelled);
    }
    if (half.memory != nullptr) (void)cudaFreeHost(half.memory);
  }
  (void)cudaGetLastError();
}

Status Transfer::prepare() {
  QAVIT_RETURN_IF_ERROR(context_->open());
  for (Half& half : halves_) {
    if (half.memory == nullptr) {
      void* memory = nullptr;
      QAVIT_RETURN_IF_ERROR(check(cudaMallocHost(&memory, kHalfBytes), "pinned host memory"));
      half.memory = static_cast<char*>(memory);
    }
    if (half.travelled == nullptr) {
      QAVIT_RETURN_IF_ERROR(
          check(cudaEventCreateWithFlags(&half.travelled, cudaEventDisableTiming), "pinned host memory"));
    }
  }
  return Status();
}

Status Transfer::to_device(void* device, size_t bytes, const Fill& fill) {
  constexpr const char* kWhere = "copying to the GPU";
  QAVIT_RETURN_IF_ERROR(prepare());
  size_t turn = 0;
  for (size_t offset = 0; offset < bytes; offset += kHalfBytes, turn ^= 1) {
    const Half& half = halves_[turn];
    const size_t count = std::min(kHalfBytes, bytes - offset);
    QAVIT_RETURN_IF_ERROR(context_->settle(check(cudaEventSynchronize(half.travelled), kWhere)));
    fill(half.memory, offset, count);
    const cudaError_t copied = cudaMemcpyAsync(static_cast<char*>(device) + offset, half.memory, count,
                                               cudaMemcpyHostToDevice, context_->stream());
    QAVIT_RETURN_IF_ERROR(context_->settle(check(copied, kWhere)));
    QAVIT_RETURN_IF_ERROR(context_->settle(check(cudaEventRecord(half.travelled, context_->stream()), kWhere)));
  }
  return Status();
}

Status Transfer::to_host(const void* device, void* host, size_t bytes) {
  constexpr const char* kWhere = "copying from the GPU";
  QAVIT_RETURN_IF_ERROR(prepare());
  const size_t pieces = (bytes + kHalfBytes - 1) / kHalfBytes;
  const auto count = [&](size_t piece) { return std::min(kHalfBytes, bytes - piece * kHalfBytes); };
  // Piece i travels while piece i - 1 is emptied.
  for (size_t i = 0; i <= pieces; ++i) {
    if (i < pieces) {
      const Half& half = halves_[i % 2];
      const cudaError_t copied = cudaMemcpyAsync(half.memory, static_cast<const char*>(device) + i * kHalfBytes,
                                                 count(i), cudaMemcpyDeviceToHost, context_->stream());
      QAVIT_RETURN_IF_ERROR(context_->settle(check(copied, kWhere)));
      QAVIT_RETURN_IF_ERROR(context_->settle(check(cudaEventRecord(half.travelled, context_->stream()), kWhere)));
    }
    if (i > 0) {
      const Half& half = halves_[(i - 1) % 2];
      QAVIT_RETURN_IF_ERROR(context_->settle(check(cudaEventSynchronize(half.travelled), kWhere)));
      std::memcpy(static_cast<char*>(host) + (i - 1) * kHalfBytes, half.memory, count(i - 1));
    }
  }
  return Status();
}

}  // namespace qavit::cuda
