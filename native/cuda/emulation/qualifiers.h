// The words CUDA adds to C++.
#pragma once

#define __host__
#define __device__
// Kernels are reached through pointers only, and one in a header may go unused.
#define __global__ __attribute__((unused)) static
#define __constant__ static
#define __grid_constant__
#define __launch_bounds__(...)
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(bytes) __attribute__((aligned(bytes)))
// A block runs on one OS thread. `used` keeps the compiler from reasoning that what nobody has written is zero: it is
// NaN (shared_memory.h).
#define __shared__ static thread_local __attribute__((used))
