// The kernels compiled for arm64 with sdot and bfdot (Neoverse V1, Apple M2 and newer). See simd/target.h for why this
// file looks the way it does.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

#include "core/dtype.h"
#include "core/int8.h"
#include "cpu/kernel_tables.h"
#include "cpu/kernels.h"
#include "cpu/simd/target.h"

#if QAVIT_CPU_ARM64_DOT
#include <arm_neon.h>

#if defined(__clang__)
QAVIT_TARGET_BEGIN("dotprod,bf16")
#else
QAVIT_TARGET_BEGIN("arch=armv8.2-a+dotprod+bf16")
#endif
#define QAVIT_SIMD "cpu/simd/simd_neon.h"
#define QAVIT_BF16_PAIRS 1
#define QAVIT_DOT 1

namespace qavit::cpu {
namespace {
#include "cpu/kernels/table.inl"
}  // namespace

const KernelTable& neonbf16_kernels() { return kTable; }

}  // namespace qavit::cpu
QAVIT_TARGET_END
#endif
