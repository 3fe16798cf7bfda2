// Transfer: copies between host memory and the GPU through pinned memory, which alone the GPU reads and writes by
// itself. Two halves take turns: one is filled or emptied by the processor while the other travels. Small copies, as
// the inputs of a run are, lie side by side in a half and wait for none before them.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "core/status.h"
#include "cuda/context.h"

namespace qavit::cuda {

class Transfer {
 public:
  explicit Transfer(std::shared_ptr<Context> context) : context_(std::move(context)) {}
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // Writes bytes [offset, offset + count) of what is to be copied; count is a multiple of 4 but for the last piece.
  using Fill = std::function<void(char* to, size_t offset, size_t count)>;

  // Returns once everything has been filled; the last pieces may still be travelling.
  Status to_device(void* device, size_t bytes, const Fill& fill);

  // Returns once `host` holds everything enqueued before this call.
  Status to_host(const void* device, void* host, size_t bytes);

 private:
  struct Half {
    char* memory = nullptr;
    cudaEvent_t travelled = nullptr;
    size_t used = 0;  // bytes that may still be travelling
  };

  Status prepare();
  // Room in the half whose turn it is, for `bytes` or, where those are more, for as many as it holds.
  Status make_room(size_t bytes, const char* where);

  const std::shared_ptr<Context> context_;
  Half halves_[2];
  size_t turn_ = 0;  // which of them is filled next
};

}  // namespace qavit::cuda
