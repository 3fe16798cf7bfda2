// The kernel tables compiled into this binary. Calling a kernel needs a processor that has its instructions: see isa.h.
#pragma once

#include "cpu/kernels.h"
#include "cpu/simd/target.h"

namespace qavit::cpu {

const KernelTable& generic_kernels();
#if QAVIT_CPU_X86
const KernelTable& avx2_kernels();
const KernelTable& avx512_kernels();
const KernelTable& avx512vnni_kernels();
const KernelTable& avx512bf16_kernels();
#endif
#if QAVIT_CPU_ARM64
const KernelTable& neon_kernels();
#endif
#if QAVIT_CPU_ARM64_DOT
const KernelTable& neondot_kernels();
const KernelTable& neonbf16_kernels();
#endif

}  // namespace qavit::cpu
