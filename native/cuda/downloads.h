// Downloads: copies from the GPU to host memory, on a stream of their own: what the backend's stream goes on with does
// not hold them up, nor they it.
//
// Any thread; one copy at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>

#include "core/backend.h"
#include "core/status.h"
#include "cuda/context.h"
#include "cuda/pinned_halves.h"

namespace qavit::cuda {

class Downloads {
 public:
  explicit Downloads(std::shared_ptr<Context> context) : context_(std::move(context)) {}
  ~Downloads();
  Downloads(const Downloads&) = delete;
  Downloads& operator=(const Downloads&) = delete;

  // Returns once `take` has got everything. What is at `device` must be complete, and stay.
  Status to_host(const void* device, size_t bytes, const Backend::Take& take);

 private:
  Status prepare();

  const std::shared_ptr<Context> context_;
  std::mutex mutex_;  // guards the two below
  cudaStream_t stream_ = nullptr;
  PinnedHalves halves_;
};

}  // namespace qavit::cuda
