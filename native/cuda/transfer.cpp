#include "cuda/transfer.h"

#include <algorithm>
#include <cstring>

#include "cuda/launch.h"

namespace qavit::cuda {

namespace {

// Large enough that the cost of starting a copy vanishes (80 us of travel over PCIe 5), small enough for machines that
// let a process pin little.
constexpr size_t kHalfBytes = size_t{4} << 20;

// Where a copy begins: whole lines, and the 16-byte vectors that fill them.
constexpr size_t kPlaceBytes = 256;

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
  for (size_t offset = 0; offset < bytes;) {
    QAVIT_RETURN_IF_ERROR(make_room(bytes - offset, kWhere));
    Half& half = halves_[turn_];
    const size_t count = std::min(kHalfBytes, bytes - offset);
    char* const place = half.memory + half.used;
    fill(place, offset, count);
    half.used += (count + kPlaceBytes - 1) / kPlaceBytes * kPlaceBytes;
    const cudaError_t copied =
        cudaMemcpyAsync(static_cast<char*>(device) + offset, place, count, cudaMemcpyHostToDevice, context_->stream());
    QAVIT_RETURN_IF_ERROR(context_->settle(check(copied, kWhere)));
    QAVIT_RETURN_IF_ERROR(context_->settle(check(cudaEventRecord(half.travelled, context_->stream()), kWhere)));
    offset += count;
  }
  return Status();
}

Status Transfer::make_room(size_t bytes, const char* where) {
  if (halves_[turn_].used + std::min(bytes, kHalfBytes) <= kHalfBytes) return Status();
  turn_ ^= 1;
  QAVIT_RETURN_IF_ERROR(context_->settle(check(cudaEventSynchronize(halves_[turn_].travelled), where)));
  halves_[turn_].used = 0;
  return Status();
}

Status Transfer::to_host(const void* device, void* host, size_t bytes) {
  constexpr const char* kWhere = "copying from the GPU";
  QAVIT_RETURN_IF_ERROR(prepare());
  for (Half& half : halves_) half.used = kHalfBytes;
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
