// wgmma.mma_async.m64nNk16: d += A B^T with A [64, 16] and B [N, 16] of bf16 or f16 and d [64, N] of f32, by a
// warpgroup.
//
// B lies in shared memory, A there or in registers (matrix_descriptor.h says how, and what a descriptor is). d is
// spread over the warpgroup as mma.sync's is over a warp (mma.cuh): warp w holds rows 16 w to 16 w + 15, and of its
// lane l, with g = l / 4 and t = l % 4,
//   d[j][0], d[j][1] = d(g, 8j + 2t), d(g, 8j + 2t + 1)       d[j][2], d[j][3] = the same of row g + 8
// A in registers likewise: a[0] = (g, 2t..2t+1), a[1] = (g + 8, same), a[2] = (g, 2t+8..2t+9), a[3] = (g + 8, same). So
// a d [64, 16 s] becomes the A of the next product without leaving its thread: k-step s packs d[2s] and d[2s + 1].
//
// The tensor cores work asynchronously. Around any number of products stand
//   wgmma_fence()          the registers (d, and A) that ordinary instructions have written are ready
//   wgmma(...) ...         in order; products that add to the same d need nothing between them
//   wgmma_commit()         closes a group
//   wgmma_wait<n>(d)       until at most n groups are under way; d may be touched by ordinary instructions only after
//                          the wait that includes its last product, and A's registers and shared memory likewise
// All 128 threads of the warpgroup, with equal descriptors and `accumulate`.
#pragma once

#include <type_traits>

#include "cuda/device/sm90/matrix_descriptor.h"
#include "cuda/device/sm90/wgmma_operands.cuh"
#include "cuda/device/types.cuh"

namespace qavit::cuda::sm90 {

// Which of B's two dimensions is contiguous.
enum class Major { kK = 0, kMn = 1 };

__device__ inline void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ inline void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

template <int kGroups>
__device__ inline void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kGroups) : "memory");
}

// Ties registers to this place: the compiler sees no connection between a wait and the sums it waits for, and would be
// free to use them before it.
template <int kBlocks>
__device__ inline void pin_registers(float (&d)[kBlocks][4]) {
#pragma unroll
  for (int j = 0; j < kBlocks; ++j) {
    asm volatile("" : "+f"(d[j][0]), "+f"(d[j][1]), "+f"(d[j][2]), "+f"(d[j][3])::"memory");
  }
}

template <int kGroups, int kBlocks>
__device__ inline void wgmma_wait(float (&d)[kBlocks][4]) {
  wgmma_wait<kGroups>();
  pin_registers(d);
}

// The instruction for N = 8 * kBlocks.
template <int kBlocks>
struct WgmmaInstruction;

// In the text: `p` whether d counts, then signs of A and B, then whether A (from shared memory only) and B are
// MN-major.
#define QAVIT_WGMMA_SHARED(type, blocks, n, a0, a1, a2, a3)                                                        \
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" a2 ", 0;\nwgmma.mma_async.sync.aligned.m64n" n "k16.f32." type \
               "." type " {" QAVIT_WGMMA_TEXT_##blocks "}, %" a0 ", %" a1 ", p, 1, 1, 0, %" a3 ";\n}"              \
               : QAVIT_WGMMA_SUMS_##blocks                                                                         \
               : "l"(a), "l"(b), "r"(accumulate), "n"(static_cast<int>(kMajor)))
#define QAVIT_WGMMA_REGISTERS(type, blocks, n, a0, a1, a2, a3, a4, a5, a6)                                         \
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" a5 ", 0;\nwgmma.mma_async.sync.aligned.m64n" n "k16.f32." type \
               "." type " {" QAVIT_WGMMA_TEXT_##blocks "}, {%" a0 ", %" a1 ", %" a2 ", %" a3 "}, %" a4             \
                                                       ", p, 1, 1, %" a6 ";\n}"                                    \
               : QAVIT_WGMMA_SUMS_##blocks                                                                         \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate), "n"(static_cast<int>(kMajor)))

// The numbers are those of the operands that follow 4 * blocks accumulators.
#define QAVIT_WGMMA(blocks, n, i0, i1, i2, i3, i4, i5, i6)                                                  \
  template <>                                                                                               \
  struct WgmmaInstruction<blocks> {                                                                         \
    template <typename T, Major kMajor>                                                                     \
    __device__ static void run(float (&d)[blocks][4], uint64_t a, uint64_t b, int accumulate) {             \
      if constexpr (std::is_same_v<T, bf16>) {                                                              \
        QAVIT_WGMMA_SHARED("bf16", blocks, n, i0, i1, i2, i3);                                              \
      } else {                                                                                              \
        QAVIT_WGMMA_SHARED("f16", blocks, n, i0, i1, i2, i3);                                               \
      }                                                                                                     \
    }                                                                                                       \
    template <typename T, Major kMajor>                                                                     \
    __device__ static void run(float (&d)[blocks][4], const uint32_t (&a)[4], uint64_t b, int accumulate) { \
      if constexpr (std::is_same_v<T, bf16>) {                                                              \
        QAVIT_WGMMA_REGISTERS("bf16", blocks, n, i0, i1, i2, i3, i4, i5, i6);                               \
      } else {                                                                                              \
        QAVIT_WGMMA_REGISTERS("f16", blocks, n, i0, i1, i2, i3, i4, i5, i6);                                \
      }                                                                                                     \
    }                                                                                                       \
  };

QAVIT_WGMMA(1, "8", "4", "5", "6", "7", "8", "9", "10")
QAVIT_WGMMA(2, "16", "8", "9", "10", "11", "12", "13", "14")
QAVIT_WGMMA(3, "24", "12", "13", "14", "15", "16", "17", "18")
QAVIT_WGMMA(4, "32", "16", "17", "18", "19", "20", "21", "22")
QAVIT_WGMMA(5, "40", "20", "21", "22", "23", "24", "25", "26")
QAVIT_WGMMA(6, "48", "24", "25", "26", "27", "28", "29", "30")
QAVIT_WGMMA(7, "56", "28", "29", "30", "31", "32", "33", "34")
QAVIT_WGMMA(8, "64", "32", "33", "34", "35", "36", "37", "38")
QAVIT_WGMMA(9, "72", "36", "37", "38", "39", "40", "41", "42")
QAVIT_WGMMA(10, "80", "40", "41", "42", "43", "44", "45", "46")
QAVIT_WGMMA(11, "88", "44", "45", "46", "47", "48", "49", "50")
QAVIT_WGMMA(12, "96", "48", "49", "50", "51", "52", "53", "54")
QAVIT_WGMMA(13, "104", "52", "53", "54", "55", "56", "57", "58")
QAVIT_WGMMA(14, "112", "56", "57", "58", "59", "60", "61", "62")
QAVIT_WGMMA(15, "120", "60", "61", "62", "63", "64", "65", "66")
QAVIT_WGMMA(16, "128", "64", "65", "66", "67", "68", "69", "70")
QAVIT_WGMMA(17, "136", "68", "69", "70", "71", "72", "73", "74")
QAVIT_WGMMA(18, "144", "72", "73", "74", "75", "76", "77", "78")
QAVIT_WGMMA(19, "152", "76", "77", "78", "79", "80", "81", "82")
QAVIT_WGMMA(20, "160", "80", "81", "82", "83", "84", "85", "86")
QAVIT_WGMMA(21, "168", "84", "85", "86", "87", "88", "89", "90")
QAVIT_WGMMA(22, "176", "88", "89", "90", "91", "92", "93", "94")
QAVIT_WGMMA(23, "184", "92", "93", "94", "95", "96", "97", "98")
QAVIT_WGMMA(24, "192", "96", "97", "98", "99", "100", "101", "102")
QAVIT_WGMMA(25, "200", "100", "101", "102", "103", "104", "105", "106")
QAVIT_WGMMA(26, "208", "104", "105", "106", "107", "108", "109", "110")
QAVIT_WGMMA(27, "216", "108", "109", "110", "111", "112", "113", "114")
QAVIT_WGMMA(28, "224", "112", "113", "114", "115", "116", "117", "118")
QAVIT_WGMMA(29, "232", "116", "117", "118", "119", "120", "121", "122")
QAVIT_WGMMA(30, "240", "120", "121", "122", "123", "124", "125", "126")
QAVIT_WGMMA(31, "248", "124", "125", "126", "127", "128", "129", "130")
QAVIT_WGMMA(32, "256", "128", "129", "130", "131", "132", "133", "134")

#undef QAVIT_WGMMA
#undef QAVIT_WGMMA_REGISTERS
#undef QAVIT_WGMMA_SHARED

// d = A B^T, or d += where `accumulate`. A is in shared memory, K-major.
template <typename T, Major kMajorOfB = Major::kK, int kBlocks>
__device__ inline void wgmma(float (&d)[kBlocks][4], uint64_t a, uint64_t b, bool accumulate) {
  WgmmaInstruction<kBlocks>::template run<T, kMajorOfB>(d, a, b, static_cast<int>(accumulate));
}

// The same with A in registers. They are ordinary registers: wgmma_fence() after they were written, and not written
// again before the wait for the group.
template <typename T, Major kMajorOfB = Major::kK, int kBlocks>
__device__ inline void wgmma(float (&d)[kBlocks][4], const uint32_t (&a)[4], uint64_t b, bool accumulate) {
  WgmmaInstruction<kBlocks>::template run<T, kMajorOfB>(d, a, b, static_cast<int>(accumulate));
}

}  // namespace qavit::cuda::sm90
