// How one instruction set's kernels are fenced off inside an ordinary translation unit.
//
// Nothing is built with -march or per-file flags: every isa_*.cpp includes all headers first, compiled for the
// baseline, then opens its target region and includes the shared kernel sources into an anonymous namespace. What is
// included inside a region must be .inl or simd/*.h files, which use no inline function of the standard library: such a
// function compiled with wider instructions could be the copy that the linker keeps for the whole program.
#pragma once

#if defined(__GNUC__) && defined(__x86_64__)
#define QAVIT_CPU_X86 1
#else
#define QAVIT_CPU_X86 0
#endif

// sdot and bfdot by attribute: gcc 10, clang 16 and Apple's clang 15, which is made of it.
#if defined(__GNUC__) && defined(__aarch64__) && !defined(__AARCH64EB__)
#define QAVIT_CPU_ARM64 1
#if defined(__apple_build_version__)
#define QAVIT_CPU_ARM64_DOT (__clang_major__ >= 15)
#elif defined(__clang__)
#define QAVIT_CPU_ARM64_DOT (__clang_major__ >= 16)
#else
#define QAVIT_CPU_ARM64_DOT (__GNUC__ >= 10)
#endif
#else
#define QAVIT_CPU_ARM64 0
#define QAVIT_CPU_ARM64_DOT 0
#endif

// QAVIT_PREFETCH: for writing, into the level-2 cache. QAVIT_PREFETCH_READ: for reading, there. QAVIT_PREFETCH_NEAR:
// for reading, into level 1.
#if defined(__GNUC__)
#define QAVIT_INLINE inline __attribute__((always_inline))
#define QAVIT_NOINLINE __attribute__((noinline))
#define QAVIT_PREFETCH(address) __builtin_prefetch(address, 1, 2)
#define QAVIT_PREFETCH_NEAR(address) __builtin_prefetch(address, 0, 3)
#define QAVIT_PREFETCH_READ(address) __builtin_prefetch(address, 0, 2)
#else
#define QAVIT_INLINE __forceinline
#define QAVIT_NOINLINE __declspec(noinline)
#define QAVIT_PREFETCH(address) static_cast<void>(address)
#define QAVIT_PREFETCH_NEAR(address) static_cast<void>(address)
#define QAVIT_PREFETCH_READ(address) static_cast<void>(address)
#endif

// Full unrolling is what keeps an array of vectors in registers; 16 covers the tallest tile (14 rows).
#if defined(__clang__)
#define QAVIT_UNROLL _Pragma("clang loop unroll_count(16)")
#elif defined(__GNUC__)
#define QAVIT_UNROLL _Pragma("GCC unroll 16")
#else
#define QAVIT_UNROLL
#endif

#define QAVIT_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define QAVIT_TARGET_BEGIN(features) \
  QAVIT_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define QAVIT_TARGET_END _Pragma("clang attribute pop")
#elif defined(__GNUC__)
#define QAVIT_TARGET_BEGIN(features) _Pragma("GCC push_options") QAVIT_PRAGMA(GCC target(features))
#define QAVIT_TARGET_END _Pragma("GCC pop_options")
#endif
