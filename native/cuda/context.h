// Context: one backend's hold on a GPU: its stream, and the memory that is taken and given back in the stream's order.
//
// Threads. open() and everything that enqueues on the stream belongs to the queue thread. Memory may be freed on any
// thread, which the mutex keeps out of a capture: a free enqueued on a stream that is being captured would become part
// of the graph.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/status.h"
#include "cuda/device_properties.h"
#include "cuda/free_blocks.h"
#include "cuda/runtime.h"

namespace qavit::cuda {

class Context : public std::enable_shared_from_this<Context> {
 public:
  Context(const DeviceProperties& properties, std::string name);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  const DeviceProperties& properties() const { return properties_; }
  const std::string& name() const { return name_; }
  cudaStream_t stream() const { return stream_; }
  std::mutex& capture_mutex() { return capture_mutex_; }
  bool opened() const { return stream_ != nullptr; }

  // Makes this thread work on the GPU. ERR_DEVICE once the GPU is lost. Any thread.
  Status enter();

  // The same; at the first call also the stream.
  Status open();

  // Waits for everything enqueued.
  Status synchronize(const char* where);

  // `status`, after finding out whether its error has cost the GPU, by asking a stream or an event: never a stream that
  // another thread works on, who may be recording it.
  Status settle(Status status, cudaStream_t stream);
  Status settle(Status status, cudaEvent_t event);

  // At least 1 byte, 256-byte aligned. ERR_OUT_OF_MEMORY says how much was wanted and free.
  Status allocate(size_t bytes, const char* where, void** memory);
  void free(void* memory, size_t bytes);

 private:
  // Without one, memory comes from cudaMalloc: where the GPU has none, or the driver says so and then refuses, as under
  // sandboxes that pass only some calls on.
  void make_pool();
  void note_loss(const Status& status, cudaError_t again) const;
  void keep_beyond_use();
  void give_back(const std::vector<void*>& blocks);

  const DeviceProperties properties_;
  const std::string name_;
  cudaStream_t stream_ = nullptr;
  cudaMemPool_t pool_ = nullptr;  // null: see make_pool()
  std::mutex capture_mutex_;
  FreeBlocks free_blocks_;
};

// A block of GPU memory; keeps the context.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  ~DeviceMemory() { reset(); }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  Status allocate(const std::shared_ptr<Context>& context, size_t bytes, const char* where);
  void reset();

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  std::shared_ptr<Context> context_;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace qavit::cuda
