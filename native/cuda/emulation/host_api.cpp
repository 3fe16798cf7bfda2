#include "cuda/emulation/host_api.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "cuda/emulation/fault.h"
#include "cuda/emulation/pending_work.h"
#include "cuda/emulation/settings.h"

namespace qavit::cuda::emulation {

namespace {

constexpr int kMaxDevices = 8;
constexpr size_t kDefaultMemory = size_t{4} << 30;
constexpr std::align_val_t kDeviceAlignment{256};
constexpr size_t kDefaultDynamicShared = size_t{48} << 10;

struct DeviceState {
  size_t capacity = kDefaultMemory;
  size_t used = 0;
  bool context = false;
  cudaError_t lost = cudaSuccess;
};

// Devices and their blocks, for the whole process as on a GPU.
struct Machine {
  std::mutex mutex;
  std::array<DeviceState, kMaxDevices> devices;
  std::map<void*, std::pair<int, size_t>> blocks;  // device and size of each
  std::set<Stream*> streams;
  std::map<std::pair<int, const void*>, size_t>
      dynamic_shared;  // by device and kernel, where another number is allowed
};

Machine& machine() {
  static auto* const only = new Machine;  // never destroyed: buffers may be freed while the process ends
  return *only;
}

thread_local int current = 0;
thread_local Stream* capturing = nullptr;  // by this thread

cudaError_t state_of(int ordinal) {
  const std::lock_guard<std::mutex> lock(machine().mutex);
  return machine().devices[static_cast<size_t>(ordinal)].lost;
}

cudaError_t allocate(void** memory, size_t bytes, int ordinal) {
  const std::lock_guard<std::mutex> lock(machine().mutex);
  DeviceState& device = machine().devices[static_cast<size_t>(ordinal)];
  if (device.lost != cudaSuccess) return device.lost;
  if (bytes > device.capacity - std::min(device.used, device.capacity)) return cudaErrorMemoryAllocation;
  void* const made = ::operator new(bytes, kDeviceAlignment, std::nothrow);
  if (made == nullptr) return cudaErrorMemoryAllocation;
  std::memset(made, 0xff, bytes);  // NaN in every float type: what is read before it is written shows
  device.used += bytes;
  machine().blocks[made] = {ordinal, bytes};
  *memory = made;
  return cudaSuccess;
}

cudaError_t release(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  const std::lock_guard<std::mutex> lock(machine().mutex);
  const auto found = machine().blocks.find(memory);
  if (found == machine().blocks.end()) return cudaErrorInvalidValue;
  const auto [ordinal, bytes] = found->second;
  machine().devices[static_cast<size_t>(ordinal)].used -= bytes;
  machine().blocks.erase(found);
  ::operator delete(memory, kDeviceAlignment);
  return cudaSuccess;
}

}  // namespace

struct Graph {
  std::vector<std::function<cudaError_t()>> work;
};

struct GraphExec {
  std::vector<std::function<cudaError_t()>> work;
};

struct Event {
  int ordinal = current;
  std::chrono::steady_clock::time_point recorded;
  Stream* stream = nullptr;  // null: never recorded, so passed
  uint64_t point = 0;        // of the stream's work
};

struct Pool {
  int ordinal;
};

struct Stream {
  int ordinal;
  size_t until_fault;                        // pieces of work; 0 = never
  size_t until_hang = setting("hang", 0);    // likewise
  size_t refusals = setting("refusals", 0);  // of captures, still to come
  const bool late = setting("late", 0) != 0;
  const std::chrono::milliseconds slow{setting("slow", 0)};  // copies to the host
  Graph* recording = nullptr;
  PendingWork pending;

  Stream(int device, size_t pieces) : ordinal(device), until_fault(pieces) {}
};

namespace {

// One more piece of work: whether the device is, or now gets, lost.
cudaError_t take_on(Stream* stream) {
  if (const cudaError_t lost = state_of(stream->ordinal); lost != cudaSuccess) return lost;
  if (stream->until_fault > 0 && --stream->until_fault == 0) {
    const std::lock_guard<std::mutex> lock(machine().mutex);
    machine().devices[static_cast<size_t>(stream->ordinal)].lost = cudaErrorIllegalAddress;
    return cudaErrorIllegalAddress;
  }
  if (stream->until_hang > 0 && --stream->until_hang == 0) {
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  }
  return cudaSuccess;
}

cudaError_t perform(Stream* stream, const std::function<cudaError_t()>& work) {
  if (!stream->late) stream->pending.finish();
  if (const cudaError_t lost = take_on(stream); lost != cudaSuccess) return lost;
  if (!stream->late) return work();
  stream->pending.add([ordinal = stream->ordinal, work] {
    if (state_of(ordinal) != cudaSuccess) return;
    const cudaError_t error = work();
    if (error == cudaSuccess) return;
    const std::lock_guard<std::mutex> lock(machine().mutex);
    machine().devices[static_cast<size_t>(ordinal)].lost = error;
  });
  return cudaSuccess;
}

}  // namespace

size_t dynamic_shared_limit(int ordinal, const void* kernel) {
  const std::lock_guard<std::mutex> lock(machine().mutex);
  const auto found = machine().dynamic_shared.find({ordinal, kernel});
  return found != machine().dynamic_shared.end() ? found->second : kDefaultDynamicShared;
}

bool has_context(int ordinal) {
  const std::lock_guard<std::mutex> lock(machine().mutex);
  return machine().devices[static_cast<size_t>(ordinal)].context;
}

cudaError_t enqueue(Stream* stream, std::function<cudaError_t()> work) {
  if (stream->ordinal != current) return cudaErrorInvalidResourceHandle;
  if (stream->recording == nullptr) return perform(stream, work);
  stream->recording->work.push_back(std::move(work));
  return cudaSuccess;
}

}  // namespace qavit::cuda::emulation

using namespace qavit::cuda::emulation;

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorNoKernelImageForDevice:
      return "cudaErrorNoKernelImageForDevice";
    case cudaErrorUnsupportedPtxVersion:
      return "cudaErrorUnsupportedPtxVersion";
    case cudaErrorInvalidResourceHandle:
      return "cudaErrorInvalidResourceHandle";
    case cudaErrorNotReady:
      return "cudaErrorNotReady";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    case cudaErrorNotSupported:
      return "cudaErrorNotSupported";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorGraphExecUpdateFailure:
      return "cudaErrorGraphExecUpdateFailure";
  }
  return "an unknown error";
}

const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorLaunchFailure ? last_fault() : "emulated";
}
cudaError_t cudaGetLastError() { return state_of(current); }

cudaError_t cudaDriverGetVersion(int* version) {
  *version = static_cast<int>(setting("driver", 13000));
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  if (setting("driver", 13000) < 13000) return cudaErrorInsufficientDriver;
  const size_t devices = setting("devices", 1);
  if (devices == 0) return cudaErrorNoDevice;
  *count = static_cast<int>(std::min<size_t>(devices, kMaxDevices));
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int ordinal) {
  if (ordinal < 0 || ordinal >= kMaxDevices) return cudaErrorInvalidDevice;
  current = ordinal;
  const std::lock_guard<std::mutex> lock(machine().mutex);
  DeviceState& device = machine().devices[static_cast<size_t>(ordinal)];
  device.context = true;
  return device.lost;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  const int capability = static_cast<int>(setting("capability", 80));
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount:
      *value = 4;
      break;
    case cudaDevAttrL2CacheSize:
      *value = 1 << 20;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = capability / 10;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = capability % 10;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = 99 * 1024;  // the smallest of the supported GPUs: 8.6, 8.9 and 12.0
      break;
    case cudaDevAttrMemoryPoolsSupported:
      *value = 1;
      break;
  }
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int ordinal) {
  std::snprintf(properties->name, sizeof properties->name, "emulated GPU %d", ordinal);
  return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel) {
  *attributes = {0, static_cast<int>(dynamic_shared_limit(current, kernel)), 90};
  return state_of(current);
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute, int value) {
  if (value < 0) return cudaErrorInvalidValue;
  const std::lock_guard<std::mutex> lock(machine().mutex);
  machine().dynamic_shared[{current, kernel}] = static_cast<size_t>(value);
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const std::lock_guard<std::mutex> lock(machine().mutex);
  const DeviceState& device = machine().devices[static_cast<size_t>(current)];
  *free = device.capacity - std::min(device.used, device.capacity);
  *total = device.capacity;
  return device.lost;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const std::lock_guard<std::mutex> lock(machine().mutex);
  DeviceState& device = machine().devices[static_cast<size_t>(current)];
  if (device.lost != cudaSuccess) return device.lost;
  device.capacity = setting("memory", kDefaultMemory);
  *stream = new Stream(current, setting("fault", 0));
  machine().streams.insert(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  stream->pending.finish();
  {
    const std::lock_guard<std::mutex> lock(machine().mutex);
    machine().streams.erase(stream);
  }
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (capturing != nullptr) return cudaErrorStreamCaptureUnsupported;
  stream->pending.finish();
  return state_of(stream->ordinal);
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return capturing != nullptr ? cudaErrorStreamCaptureUnsupported : state_of(stream->ordinal);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new Event;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (event->ordinal != stream->ordinal) return cudaErrorInvalidResourceHandle;
  event->recorded = std::chrono::steady_clock::now();
  event->stream = stream;
  event->point = stream->pending.added();
  return state_of(stream->ordinal);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (capturing != nullptr) return cudaErrorStreamCaptureUnsupported;
  if (event->stream != nullptr) event->stream->pending.finish(event->point);
  return state_of(event->ordinal);
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return capturing != nullptr ? cudaErrorStreamCaptureUnsupported : state_of(event->ordinal);
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  *milliseconds = std::chrono::duration<float, std::milli>(end->recorded - start->recorded).count();
  return state_of(current);
}

cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps* properties) {
  *pool = new Pool{properties->location.id};
  return cudaSuccess;
}

cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr, void* value) {
  const std::lock_guard<std::mutex> lock(machine().mutex);
  *static_cast<uint64_t*>(value) = machine().devices[static_cast<size_t>(pool->ordinal)].used;
  return cudaSuccess;
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) { return cudaSuccess; }

cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool) {
  delete pool;
  return cudaSuccess;
}

cudaError_t cudaMallocFromPoolAsync(void** memory, size_t bytes, cudaMemPool_t pool, cudaStream_t stream) {
  if (setting("pools", 1) == 0) return cudaErrorNotSupported;
  if (capturing != nullptr || stream->recording != nullptr) return cudaErrorStreamCaptureUnsupported;
  return allocate(memory, bytes, pool->ordinal);
}

cudaError_t cudaFreeAsync(void* memory, cudaStream_t stream) {
  if (stream->recording != nullptr) return cudaErrorStreamCaptureUnsupported;
  stream->pending.finish();
  return release(memory);
}

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  return capturing != nullptr ? cudaErrorStreamCaptureUnsupported : allocate(memory, bytes, current);
}

cudaError_t cudaFree(void* memory) {
  if (capturing != nullptr) return cudaErrorStreamCaptureUnsupported;
  {
    const std::lock_guard<std::mutex> lock(machine().mutex);
    for (Stream* const stream : machine().streams) stream->pending.finish();
  }
  return release(memory);
}

cudaError_t cudaMallocHost(void** memory, size_t bytes) {
  if (capturing != nullptr) return cudaErrorStreamCaptureUnsupported;
  *memory = std::malloc(bytes);
  return *memory == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}

cudaError_t cudaFreeHost(void* memory) {
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  if (stream->recording != nullptr) return cudaErrorNotSupported;  // the backend never records one
  if (const cudaError_t lost = take_on(stream); lost != cudaSuccess) return lost;
  if (kind == cudaMemcpyDeviceToHost && stream->slow.count() > 0) {
    stream->pending.add([pause = stream->slow] { std::this_thread::sleep_for(pause); });
  }
  stream->pending.add_copy(to, from, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  return enqueue(stream, [=] {
    std::memset(memory, value, bytes);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (const cudaError_t lost = state_of(stream->ordinal); lost != cudaSuccess) return lost;
  if (stream->recording != nullptr || setting("capture", 1) == 0) return cudaErrorStreamCaptureUnsupported;
  if (stream->refusals > 0) {
    --stream->refusals;
    return cudaErrorStreamCaptureUnsupported;
  }
  stream->recording = new Graph;
  capturing = stream;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (stream->recording == nullptr) return cudaErrorInvalidValue;
  *graph = std::exchange(stream->recording, nullptr);
  capturing = nullptr;
  return state_of(stream->ordinal);
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  *exec = new GraphExec{graph->work};
  return cudaSuccess;
}

cudaError_t cudaGraphExecUpdate(cudaGraphExec_t exec, cudaGraph_t graph, cudaGraphExecUpdateResultInfo*) {
  if (exec->work.size() != graph->work.size()) return cudaErrorGraphExecUpdateFailure;
  exec->work = graph->work;
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  if (stream->ordinal != current) return cudaErrorInvalidResourceHandle;
  for (const std::function<cudaError_t()>& work : exec->work) {
    if (const cudaError_t error = perform(stream, work); error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete exec;
  return cudaSuccess;
}
