// The products that Hopper's own kernel (TMA and wgmma, linear_sm90.cu) takes over from the portable one.
#pragma once

#include "core/ops.h"
#include "cuda/launch.h"
#include "cuda/linear/gemm.h"

namespace qavit::cuda {

#ifndef QAVIT_CUDA_EMULATION

// Whether run_linear_sm90 computes these params on this device. Looks at addresses where they are set: unaligned
// operands belong to the portable kernels.
bool linear_sm90_takes(const DeviceProperties& device, const LinearParams& params);

// Scratch for params that are taken. `leave_parts` and `split`: as for run_gemm (gemm.h).
size_t linear_sm90_workspace_bytes(const DeviceProperties& device, const LinearParams& params,
                                   bool leave_parts = false);

// Enqueues params that are taken.
Status run_linear_sm90(const Launch& context, const LinearParams& params, SplitSums* split = nullptr);

#else

// An emulated device has neither TMA nor wgmma.
inline bool linear_sm90_takes(const DeviceProperties&, const LinearParams&) { return false; }
inline size_t linear_sm90_workspace_bytes(const DeviceProperties&, const LinearParams&, bool = false) { return 0; }
inline Status run_linear_sm90(const Launch&, const LinearParams&, SplitSums* = nullptr) { return Status(); }

#endif

}  // namespace qavit::cuda
