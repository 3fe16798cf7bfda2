// What host code of the backend links against, where a tensor map is its layout and memory is the processor's.
#include <cstring>
#include <new>

#include "core/status.h"
#include "cuda/device/sm90/tensor_map.h"
#include "cuda/launch.h"

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  *memory = ::operator new(bytes, std::align_val_t{256});
  std::memset(*memory, 0xff, bytes);
  return cudaSuccess;
}

cudaError_t cudaFree(void* memory) {
  ::operator delete(memory, std::align_val_t{256});
  return cudaSuccess;
}

namespace qavit::cuda {

Status check(cudaError_t, const char*) { return Status(); }

Status ready_kernel(const DeviceProperties&, const void*, const char*, bool* overlaps) {
  *overlaps = true;
  return Status();
}

namespace sm90 {

bool tensor_maps_available() { return true; }

Status make_tensor_map(const TensorLayout& layout, const char* where, CUtensorMap* map) {
  if (!fits_tensor_map(layout)) return expected(ErrorCode::kDevice, "a layout that fits", where, "another");
  map->layout = layout;
  return Status();
}

}  // namespace sm90

}  // namespace qavit::cuda
