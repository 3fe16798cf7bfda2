// ldmatrix: 8 x 8 matrices of 2-byte elements out of shared memory, laid out as mma.sync takes them. Lane i names row
// i % 8 of matrix i / 8, 16 aligned bytes anywhere in shared memory; lanes past the last matrix name nothing.
//
// Register m of lane l then holds elements 2 (l % 4) and the next of row l / 4 of matrix m; with _trans, of column
// l / 4. Rows that other lanes wrote need a barrier or __syncwarp() in between.
#pragma once

#include "cuda/device/shared.cuh"
#include "cuda/device/types.cuh"

namespace qavit::cuda {

#ifdef QAVIT_CUDA_EMULATION

inline void ldmatrix_x4(uint32_t (&r)[4], const void* shared_row, QAVIT_EMULATED_SITE) {
  emulation::load_matrices<4, false>(r, shared_row, {file, line});
}
inline void ldmatrix_x4_trans(uint32_t (&r)[4], const void* shared_row, QAVIT_EMULATED_SITE) {
  emulation::load_matrices<4, true>(r, shared_row, {file, line});
}
inline void ldmatrix_x2(uint32_t (&r)[2], const void* shared_row, QAVIT_EMULATED_SITE) {
  emulation::load_matrices<2, false>(r, shared_row, {file, line});
}
inline void ldmatrix_x2_trans(uint32_t (&r)[2], const void* shared_row, QAVIT_EMULATED_SITE) {
  emulation::load_matrices<2, true>(r, shared_row, {file, line});
}

#else

// "memory": what a barrier before has made visible must not be read earlier.
#define QAVIT_LDMATRIX_X4(modifier)                                                           \
  asm volatile("ldmatrix.sync.aligned.m8n8.x4" modifier ".shared.b16 {%0, %1, %2, %3}, [%4];" \
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])                               \
               : "r"(shared_address(shared_row))                                              \
               : "memory")
#define QAVIT_LDMATRIX_X2(modifier)                                                   \
  asm volatile("ldmatrix.sync.aligned.m8n8.x2" modifier ".shared.b16 {%0, %1}, [%2];" \
               : "=r"(r[0]), "=r"(r[1])                                               \
               : "r"(shared_address(shared_row))                                      \
               : "memory")

__device__ inline void ldmatrix_x4(uint32_t (&r)[4], const void* shared_row) { QAVIT_LDMATRIX_X4(""); }
__device__ inline void ldmatrix_x4_trans(uint32_t (&r)[4], const void* shared_row) { QAVIT_LDMATRIX_X4(".trans"); }
__device__ inline void ldmatrix_x2(uint32_t (&r)[2], const void* shared_row) { QAVIT_LDMATRIX_X2(""); }
__device__ inline void ldmatrix_x2_trans(uint32_t (&r)[2], const void* shared_row) { QAVIT_LDMATRIX_X2(".trans"); }

#undef QAVIT_LDMATRIX_X4
#undef QAVIT_LDMATRIX_X2

#endif

}  // namespace qavit::cuda
