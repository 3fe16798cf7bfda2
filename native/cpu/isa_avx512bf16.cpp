// The kernels compiled for AVX-512 with vdpbf16ps and vpdpbusd. See simd/target.h for why this file looks the way it
// does.
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
#if !defined(__clang__)
// gcc 12 warns of its own _mm512_undefined_ps (PR 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

QAVIT_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,avx2,fma,f16c")
#define QAVIT_SIMD "cpu/simd/simd_avx512.h"
#define QAVIT_BF16_PAIRS 1
#define QAVIT_VNNI 1

namespace qavit::cpu {
namespace {
#include "cpu/kernels/table.inl"
}  // namespace

const KernelTable& avx512bf16_kernels() { return kTable; }

}  // namespace qavit::cpu
QAVIT_TARGET_END
#endif
