// The kernels compiled for arm64. See simd/target.h for why this file looks the way it does.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

#include "core/dtype.h"
#include "core/int8.h"
#include "cpu/kernel_tables.h"
#include "cpu/kernels.h"
#include "cpu/simd/target.h"

#if QAVIT_CPU_ARM64
#include <arm_neon.h>

#define QAVIT_SIMD "cpu/simd/simd_neon.h"
#define QAVIT_BF16_PAIRS 0
#define QAVIT_DOT 0

namespace qavit::cpu {
namespace {
#include "cpu/kernels/table.inl"
}  // namespace

const KernelTable& neon_kernels() { return kTable; }

}  // namespace qavit::cpu
#endif
