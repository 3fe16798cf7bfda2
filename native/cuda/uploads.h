// Uploads: copies from host memory to the GPU, in the order of the backend's stream. Small ones, as the inputs of a run
// are, lie side by side in pinned memory and wait for none before them.
//
// Queue thread only.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "core/status.h"
#include "cuda/context.h"
#include "cuda/pinned_halves.h"

namespace qavit::cuda {

class Uploads {
 public:
  explicit Uploads(std::shared_ptr<Context> context) : context_(std::move(context)) {}

  // Writes bytes [offset, offset + count) of what is to be copied; count is a multiple of 4 but for the last piece.
  using Fill = std::function<void(char* to, size_t offset, size_t count)>;

  // Returns once everything has been filled; the last pieces may still be travelling.
  Status to_device(void* device, size_t bytes, const Fill& fill);

 private:
  // Room in the half whose turn it is, for `bytes` or, where those are more, for as many as it holds.
  Status make_room(size_t bytes, const char* where);

  const std::shared_ptr<Context> context_;
  PinnedHalves halves_;
  size_t turn_ = 0;  // which of them is filled next
  size_t used_ = 0;  // bytes of it that may still be travelling
};

}  // namespace qavit::cuda
