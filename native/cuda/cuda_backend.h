// The CUDA backend: our own kernels on one NVIDIA GPU, enqueued on one stream, whole plans replayed as CUDA graphs.
#pragma once

#include <memory>

#include "core/backend.h"
#include "core/status.h"

namespace qavit::cuda {

struct CudaOptions {
  int ordinal = 0;      // as CUDA counts: CUDA_VISIBLE_DEVICES hides and reorders
  bool graphs = true;   // false: every operation is launched by itself, for comparing
  bool timing = false;  // true: statistics() says how long plans took on the GPU, for benchmarks
};

// Null, with *status saying why: see describe_device. Touches the GPU's memory only when something is uploaded.
std::unique_ptr<Backend> make_cuda_backend(const CudaOptions& options, Status* status);

}  // namespace qavit::cuda
