#include "cuda/devices.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>

#include "cuda/launch.h"

namespace qavit::cuda {

namespace {

std::string device_name(int ordinal) { return "device cuda:" + std::to_string(ordinal); }

// CUDA counts 13020 for 13.2.
std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

Status unsupported(const std::string& what, int ordinal, const std::string& actual) {
  return expected(ErrorCode::kUnsupported, what, device_name(ordinal), actual);
}

// What cudaGetDeviceCount's refusal means.
Status explain_no_devices(cudaError_t error, int ordinal) {
  (void)cudaGetLastError();
  int driver = 0, runtime = 0;
  (void)cudaDriverGetVersion(&driver);
  (void)cudaRuntimeGetVersion(&runtime);
  if (error == cudaErrorInsufficientDriver && driver == 0) {
    return unsupported("an NVIDIA GPU and its driver", ordinal, "no NVIDIA driver on this machine");
  }
  if (error == cudaErrorInsufficientDriver) {
    return unsupported("an NVIDIA driver for CUDA " + version_text(runtime / 1000 * 1000) + " or newer", ordinal,
                       "one for CUDA " + version_text(driver));
  }
  if (error == cudaErrorNoDevice || error == cudaSuccess) {
    return unsupported("an NVIDIA GPU", ordinal, "none that this process may see (is CUDA_VISIBLE_DEVICES set?)");
  }
  return check(error, device_name(ordinal).c_str());
}

Status read_attributes(int ordinal, DeviceProperties* properties) {
  int major = 0, minor = 0, multiprocessors = 0, shared = 0, l2 = 0;
  const auto read = [&](int* value, cudaDeviceAttr attribute) {
    return check(cudaDeviceGetAttribute(value, attribute, ordinal), device_name(ordinal).c_str());
  };
  QAVIT_RETURN_IF_ERROR(read(&major, cudaDevAttrComputeCapabilityMajor));
  QAVIT_RETURN_IF_ERROR(read(&minor, cudaDevAttrComputeCapabilityMinor));
  QAVIT_RETURN_IF_ERROR(read(&multiprocessors, cudaDevAttrMultiProcessorCount));
  QAVIT_RETURN_IF_ERROR(read(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin));
  QAVIT_RETURN_IF_ERROR(read(&l2, cudaDevAttrL2CacheSize));
  properties->ordinal = ordinal;
  properties->compute_capability = major * 10 + minor;
  properties->multiprocessors = multiprocessors;
  properties->shared_bytes_per_block = static_cast<size_t>(shared);
  properties->l2_bytes = static_cast<size_t>(l2);
#ifdef QAVIT_CUDA_EMULATION
  properties->emulated = true;
#endif
  return Status();
}

// QAVIT_CUDA_KERNELS: serial has kernels wait for each other's end, portable also leaves out those that are made for
// one generation of GPUs.
Status read_choice(DeviceProperties* properties) {
  const char* const value = std::getenv("QAVIT_CUDA_KERNELS");
  const std::string choice = value != nullptr ? value : "";
  properties->portable = choice == "portable";
  properties->overlap = choice.empty() && (properties->compute_capability >= 90 || properties->emulated);
  if (choice.empty() || properties->portable || choice == "serial") return Status();
  return expected(ErrorCode::kArgument, "portable, serial or nothing", "the environment variable QAVIT_CUDA_KERNELS",
                  choice);
}

// QAVIT_CUDA_TILE=TILE:SPLITS, two numbers of one or two digits.
Status read_gemm_choice(DeviceProperties* properties) {
  const char* const value = std::getenv("QAVIT_CUDA_TILE");
  if (value == nullptr || *value == 0) return Status();
  GemmChoice& gemm = properties->gemm;
  char rest = 0;
  if (std::sscanf(value, "%2d:%2d%c", &gemm.tile, &gemm.splits, &rest) == 2 && gemm.tile >= 0 && gemm.splits >= 1) {
    return Status();
  }
  return expected(ErrorCode::kArgument, "TILE:SPLITS, such as 2:1, or nothing",
                  "the environment variable QAVIT_CUDA_TILE", value);
}

struct Losses {
  std::mutex mutex;
  std::map<int, Status> first;
};

Losses& losses() {
  static auto* const only = new Losses;  // never destroyed: backends may end while the process does
  return *only;
}

}  // namespace

Status describe_device(int ordinal, DeviceProperties* properties, std::string* name) {
  int count = 0;
  const cudaError_t counted = cudaGetDeviceCount(&count);
  if (counted != cudaSuccess || count == 0) return explain_no_devices(counted, ordinal);
  if (ordinal >= count) {
    return unsupported("a number from 0 to " + std::to_string(count - 1), ordinal,
                       std::to_string(count) + (count == 1 ? " GPU" : " GPUs"));
  }
  QAVIT_RETURN_IF_ERROR(read_attributes(ordinal, properties));
  QAVIT_RETURN_IF_ERROR(read_choice(properties));
  QAVIT_RETURN_IF_ERROR(read_gemm_choice(properties));
  cudaDeviceProp all = {};
  QAVIT_RETURN_IF_ERROR(check(cudaGetDeviceProperties(&all, ordinal), device_name(ordinal).c_str()));
  *name = all.name;
  if (properties->compute_capability < kMinComputeCapability) {
    const int has = properties->compute_capability;
    return unsupported("a GPU of compute capability 8.0 or newer (Ampere, 2020)", ordinal,
                       *name + " of " + std::to_string(has / 10) + "." + std::to_string(has % 10));
  }
  return Status();
}

void mark_lost(int ordinal, const Status& first) {
  const std::lock_guard<std::mutex> lock(losses().mutex);
  losses().first.emplace(ordinal, first);
}

Status check_not_lost(int ordinal) {
  const std::lock_guard<std::mutex> lock(losses().mutex);
  const auto found = losses().first.find(ordinal);
  if (found == losses().first.end()) return Status();
  return expected(ErrorCode::kDevice, "a working GPU", device_name(ordinal),
                  "one lost to an earlier error: " + found->second.message());
}

}  // namespace qavit::cuda
