// The CUDA runtime's names, from the toolkit or, where QAVIT_CUDA_EMULATION is defined, from the emulation that runs
// the portable kernels on the CPU (tests without a GPU). Everything in native/cuda includes this and never the
// toolkit's headers.
#pragma once

#ifdef QAVIT_CUDA_EMULATION
#include "cuda/emulation/cuda_runtime.h"
#include "cuda/emulation/host_api.h"
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#endif
