#include "cuda/uploads.h"

#include <algorithm>

#include "cuda/device/rounding.h"
#include "cuda/launch.h"

namespace qavit::cuda {

namespace {

// Where a copy begins: whole lines, and the 16-byte vectors that fill them.
constexpr size_t kPlaceBytes = 256;

}  // namespace

Status Uploads::to_device(void* device, size_t bytes, const Fill& fill) {
  constexpr const char* kWhere = "copying to the GPU";
  QAVIT_RETURN_IF_ERROR(context_->open());
  QAVIT_RETURN_IF_ERROR(halves_.prepare());
  const cudaStream_t stream = context_->stream();
  for (size_t offset = 0; offset < bytes;) {
    QAVIT_RETURN_IF_ERROR(make_room(bytes - offset, kWhere));
    const PinnedHalves::Half& half = halves_[turn_];
    const size_t count = std::min(kHalfBytes, bytes - offset);
    char* const place = half.memory + used_;
    fill(place, offset, count);
    used_ += round_up(count, kPlaceBytes);
    const cudaError_t copied =
        cudaMemcpyAsync(static_cast<char*>(device) + offset, place, count, cudaMemcpyHostToDevice, stream);
    QAVIT_RETURN_IF_ERROR(context_->settle(check(copied, kWhere), stream));
    QAVIT_RETURN_IF_ERROR(context_->settle(check(cudaEventRecord(half.travelled, stream), kWhere), stream));
    offset += count;
  }
  return Status();
}

Status Uploads::make_room(size_t bytes, const char* where) {
  if (used_ + std::min(bytes, kHalfBytes) <= kHalfBytes) return Status();
  turn_ ^= 1;
  used_ = 0;
  return context_->settle(check(cudaEventSynchronize(halves_[turn_].travelled), where), context_->stream());
}

}  // namespace qavit::cuda
