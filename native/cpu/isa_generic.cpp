// The kernels compiled for what every processor runs. See simd/target.h for why this file looks the way it does.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

#include "core/dtype.h"
#include "core/int8.h"
#include "cpu/kernel_tables.h"
#include "cpu/kernels.h"
#include "cpu/simd/target.h"

#define QAVIT_SIMD "cpu/simd/simd_generic.h"
#define QAVIT_BF16_PAIRS 0

namespace qavit::cpu {
namespace {
#include "cpu/kernels/table.inl"
}  // namespace

const KernelTable& generic_kernels() { return kTable; }

}  // namespace qavit::cpu
