// The kernels compiled for AVX2, FMA and F16C. See simd/target.h for why this file looks the way it does.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

#include "core/dtype.h"
#include "core/int8.h"
#include "cpu/kernel_tables.h"
#include "cpu/kernels.h"
#include "cpu/simd/target.h"

#if QAVIT_CPU_X86
#include <immintrin.h>

QAVIT_TARGET_BEGIN("avx2,fma,f16c")
#define QAVIT_SIMD "cpu/simd/simd_avx2.h"
#define QAVIT_BF16_PAIRS 0

namespace qavit::cpu {
namespace {
#include "cpu/kernels/table.inl"
}  // namespace

const KernelTable& avx2_kernels() { return kTable; }

}  // namespace qavit::cpu
QAVIT_TARGET_END
#endif
