// mma.sync.m16n8k16: d += a b with a [16, 16], b [16, 8] of bf16 or f16 and d [16, 8] of f32, spread over a warp.
//
// Of lane l, with g = l / 4 and t = l % 4 (every uint32_t a pair of neighbours along k, the lower k in the lower half):
//   a[0] = a(g, 2t..2t+1)      a[1] = a(g + 8, 2t..2t+1)      a[2] = a(g, 2t+8..2t+9)      a[3] = a(g + 8, 2t+8..2t+9)
//   b[0] = b(2t..2t+1, g)      b[1] = b(2t+8..2t+9, g)
//   d[0], d[1] = d(g, 2t), d(g, 2t + 1)        d[2], d[3] = d(g + 8, 2t), d(g + 8, 2t + 1)
// ldmatrix.cuh loads a and b so.
#pragma once

#include "cuda/device/types.cuh"

namespace qavit::cuda {

#ifdef QAVIT_CUDA_EMULATION

template <typename T>
inline void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], T, QAVIT_EMULATED_SITE) {
  emulation::multiply_add<T>(d, a, b, {file, line});
}

#else

#define QAVIT_MMA_M16N8K16(type)                                                      \
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." type "." type                 \
               ".f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" \
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                       \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))

__device__ inline void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], bf16) {
  QAVIT_MMA_M16N8K16("bf16");
}

__device__ inline void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], f16) {
  QAVIT_MMA_M16N8K16("f16");
}

#undef QAVIT_MMA_M16N8K16

#endif

}  // namespace qavit::cuda
