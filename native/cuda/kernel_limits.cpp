#include "cuda/kernel_limits.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "cuda/launch.h"

namespace qavit::cuda {

namespace {

// From PTX for this generation on, kernels wait.
constexpr int kWaits = 90;

struct Known {
  std::mutex mutex;
  std::map<std::pair<int, const void*>, bool> overlaps;  // by device and kernel, of those that are ready
};

Known& known() {
  static auto* const only = new Known;  // never destroyed: launches may go on while the process ends
  return *only;
}

Status make_ready(const DeviceProperties& device, const void* kernel, const char* where, bool* overlaps) {
  cudaFuncAttributes compiled = {};
  QAVIT_RETURN_IF_ERROR(check(cudaFuncGetAttributes(&compiled, kernel), where));
  const size_t most = std::max(device.shared_bytes_per_block, compiled.sharedSizeBytes) - compiled.sharedSizeBytes;
  if (most > static_cast<size_t>(compiled.maxDynamicSharedSizeBytes)) {
    constexpr auto kLimit = cudaFuncAttributeMaxDynamicSharedMemorySize;
    QAVIT_RETURN_IF_ERROR(check(cudaFuncSetAttribute(kernel, kLimit, static_cast<int>(most)), where));
  }
  *overlaps = compiled.ptxVersion >= kWaits;
  return Status();
}

}  // namespace

Status ready_kernel(const DeviceProperties& device, const void* kernel, const char* where, bool* overlaps) {
  const std::lock_guard<std::mutex> lock(known().mutex);
  const auto found = known().overlaps.find({device.ordinal, kernel});
  if (found != known().overlaps.end()) {
    *overlaps = found->second;
    return Status();
  }
  QAVIT_RETURN_IF_ERROR(make_ready(device, kernel, where, overlaps));
  known().overlaps[{device.ordinal, kernel}] = *overlaps;
  return Status();
}

}  // namespace qavit::cuda
