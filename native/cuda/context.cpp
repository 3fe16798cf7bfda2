#include "cuda/context.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "cuda/devices.h"
#include "cuda/launch.h"

namespace qavit::cuda {

namespace {

// Freed memory that is kept for requests of the same size, and as much again by the pool for all others, instead of
// being given back at every wait: the tensors of a batch of some dozen pictures.
constexpr uint64_t kKeeps = uint64_t{256} << 20;

}  // namespace

Context::Context(const DeviceProperties& properties, std::string name)
    : properties_(properties), name_(std::move(name)), free_blocks_(kKeeps) {}

Context::~Context() {
  if (stream_ == nullptr) return;
  // Errors say that the GPU is lost or the process is ending: nothing is left to give back then.
  (void)cudaSetDevice(properties_.ordinal);
  (void)cudaStreamSynchronize(stream_);
  give_back(free_blocks_.clear());
  (void)cudaStreamSynchronize(stream_);
  if (pool_ != nullptr) (void)cudaMemPoolDestroy(pool_);
  (void)cudaStreamDestroy(stream_);
  (void)cudaGetLastError();
}

Status Context::enter() {
  QAVIT_RETURN_IF_ERROR(check_not_lost(properties_.ordinal));
  return check(cudaSetDevice(properties_.ordinal), "opening the GPU");
}

Status Context::open() {
  QAVIT_RETURN_IF_ERROR(enter());
  if (stream_ != nullptr) return Status();
  QAVIT_RETURN_IF_ERROR(check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "opening the GPU"));
  make_pool();
  return Status();
}

void Context::make_pool() {
  int supported = 0;
  (void)cudaDeviceGetAttribute(&supported, cudaDevAttrMemoryPoolsSupported, properties_.ordinal);
  cudaMemPoolProps description = {};
  description.allocType = cudaMemAllocationTypePinned;
  description.location.type = cudaMemLocationTypeDevice;
  description.location.id = properties_.ordinal;
  if (supported != 0 && cudaMemPoolCreate(&pool_, &description) == cudaSuccess) {
    void* probe = nullptr;
    if (cudaMallocFromPoolAsync(&probe, 1, pool_, stream_) == cudaSuccess) {
      (void)cudaFreeAsync(probe, stream_);
      return;
    }
    (void)cudaMemPoolDestroy(pool_);
  }
  pool_ = nullptr;
  (void)cudaGetLastError();
}

Status Context::synchronize(const char* where) { return settle(check(cudaStreamSynchronize(stream_), where), stream_); }

// An error that only concerns one call is gone when something else is asked; one that ended the context comes back.
Status Context::settle(Status status, cudaStream_t stream) {
  if (status.code() == ErrorCode::kDevice && stream != nullptr) note_loss(status, cudaStreamQuery(stream));
  return status;
}

Status Context::settle(Status status, cudaEvent_t event) {
  if (status.code() == ErrorCode::kDevice) note_loss(status, cudaEventQuery(event));
  return status;
}

void Context::note_loss(const Status& status, cudaError_t again) const {
  (void)cudaGetLastError();
  if (again != cudaSuccess && again != cudaErrorNotReady) mark_lost(properties_.ordinal, status);
}

Status Context::allocate(size_t bytes, const char* where, void** memory) {
  QAVIT_RETURN_IF_ERROR(open());
  bytes = std::max<size_t>(bytes, 1);
  *memory = free_blocks_.take(bytes);
  if (*memory != nullptr) {
    // The emulation's memory is poisoned when it is new; what is read before it is written shall show here too.
    if (!properties_.emulated) return Status();
    return settle(check(cudaMemsetAsync(*memory, 0xff, bytes, stream_), where), stream_);
  }
  const auto take = [&] {
    return pool_ != nullptr ? cudaMallocFromPoolAsync(memory, bytes, pool_, stream_) : cudaMalloc(memory, bytes);
  };
  cudaError_t error = take();
  if (error == cudaErrorMemoryAllocation) {
    // What was freed but is still kept, in pieces of other sizes, may be what is missing.
    (void)cudaGetLastError();
    give_back(free_blocks_.clear());
    QAVIT_RETURN_IF_ERROR(synchronize(where));
    if (pool_ != nullptr) QAVIT_RETURN_IF_ERROR(check(cudaMemPoolTrimTo(pool_, 0), where));
    error = take();
  }
  if (error == cudaSuccess) keep_beyond_use();
  if (error != cudaErrorMemoryAllocation) return settle(check(error, where), stream_);
  (void)cudaGetLastError();
  size_t free = 0, total = 0;
  (void)cudaMemGetInfo(&free, &total);
  return expected(ErrorCode::kOutOfMemory, std::to_string(bytes) + " bytes of GPU memory", where,
                  std::to_string(free) + " free of " + std::to_string(total));
}

// The pool's threshold counts what is in use, too: a fixed one would be below a model's weights alone, and every wait
// would then give all that is free back to the system, for the next run to take again.
void Context::keep_beyond_use() {
  if (pool_ == nullptr) return;
  uint64_t bytes = 0;
  (void)cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrUsedMemCurrent, &bytes);
  bytes += kKeeps;
  (void)cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &bytes);
  (void)cudaGetLastError();
}

void Context::free(void* memory, size_t bytes) { give_back(free_blocks_.give(memory, std::max<size_t>(bytes, 1))); }

void Context::give_back(const std::vector<void*>& blocks) {
  if (blocks.empty()) return;
  const std::lock_guard<std::mutex> lock(capture_mutex_);
  (void)cudaSetDevice(properties_.ordinal);  // this may be a thread that never called CUDA
  for (void* const memory : blocks) (void)(pool_ != nullptr ? cudaFreeAsync(memory, stream_) : cudaFree(memory));
  (void)cudaGetLastError();
}

Status DeviceMemory::allocate(const std::shared_ptr<Context>& context, size_t bytes, const char* where) {
  reset();
  QAVIT_RETURN_IF_ERROR(context->allocate(bytes, where, &data_));
  context_ = context;
  bytes_ = bytes;
  return Status();
}

void DeviceMemory::reset() {
  if (context_) context_->free(data_, bytes_);
  context_.reset();
  data_ = nullptr;
  bytes_ = 0;
}

}  // namespace qavit::cuda
