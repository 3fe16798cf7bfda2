#include <string>

#include "cuda/launch.h"

namespace qavit::cuda {

namespace {

ErrorCode code_of(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation:
      return ErrorCode::kOutOfMemory;
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorUnsupportedPtxVersion:
      return ErrorCode::kUnsupported;
    default:
      return ErrorCode::kDevice;
  }
}

}  // namespace

Status check(cudaError_t error, const char* where) {
  if (error == cudaSuccess) return Status();
  // The runtime remembers an error for the thread until it is asked; a later, innocent call must not find it.
  (void)cudaGetLastError();
  return expected(code_of(error), "success", where,
                  std::string(cudaGetErrorName(error)) + ": " + cudaGetErrorString(error));
}

}  // namespace qavit::cuda
