#include "cuda/downloads.h"

#include <algorithm>

#include "cuda/device/rounding.h"
#include "cuda/launch.h"

namespace qavit::cuda {

namespace {

constexpr const char* kWhere = "copying from the GPU";

}  // namespace

Downloads::~Downloads() {
  if (stream_ == nullptr) return;
  (void)cudaStreamSynchronize(stream_);
  (void)cudaStreamDestroy(stream_);
  (void)cudaGetLastError();
}

Status Downloads::prepare() {
  QAVIT_RETURN_IF_ERROR(context_->enter());
  if (stream_ == nullptr)
    QAVIT_RETURN_IF_ERROR(check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), kWhere));
  return halves_.prepare();
}

Status Downloads::to_host(const void* device, size_t bytes, const Backend::Take& take) {
  const std::lock_guard<std::mutex> lock(mutex_);
  QAVIT_RETURN_IF_ERROR(prepare());
  const size_t pieces = ceil_div(bytes, kHalfBytes);
  const auto count = [&](size_t piece) { return std::min(kHalfBytes, bytes - piece * kHalfBytes); };
  // Piece i travels while piece i - 1 is taken.
  for (size_t i = 0; i <= pieces; ++i) {
    if (i < pieces) {
      const PinnedHalves::Half& half = halves_[i % 2];
      const cudaError_t copied = cudaMemcpyAsync(half.memory, static_cast<const char*>(device) + i * kHalfBytes,
                                                 count(i), cudaMemcpyDeviceToHost, stream_);
      QAVIT_RETURN_IF_ERROR(context_->settle(check(copied, kWhere), stream_));
      QAVIT_RETURN_IF_ERROR(context_->settle(check(cudaEventRecord(half.travelled, stream_), kWhere), stream_));
    }
    if (i > 0) {
      const PinnedHalves::Half& half = halves_[(i - 1) % 2];
      QAVIT_RETURN_IF_ERROR(context_->settle(check(cudaEventSynchronize(half.travelled), kWhere), stream_));
      take(half.memory, (i - 1) * kHalfBytes, count(i - 1));
    }
  }
  return Status();
}

}  // namespace qavit::cuda
