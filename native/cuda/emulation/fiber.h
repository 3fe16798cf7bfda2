// Fiber: a stack of its own, run until it switches to another. What a CUDA thread is here.
#pragma once

#include <cstddef>

// Where nobody has written the switch, the C library's does it, with a system call each.
#if !(defined(__ELF__) && (defined(__x86_64__) || defined(__aarch64__))) && !defined(QAVIT_UCONTEXT)
#define QAVIT_UCONTEXT
#endif
#ifdef QAVIT_UCONTEXT
#include <ucontext.h>
#endif

namespace qavit::cuda::emulation {

class Fiber {
 public:
  // Makes the next switch to this fiber call `entry` on `stack`, 16-byte aligned. `entry` begins with entered() and
  // never returns. Whatever ran on the stack before is dropped where it was, without destructors.
  void prepare(void* stack, size_t bytes, void (*entry)());

  // Goes on where `to` was left, and returns when something switches back here.
  void switch_to(Fiber& to);

  // Tells AddressSanitizer that its thread is on this fiber's stack now.
  void entered();

 private:
#ifdef QAVIT_UCONTEXT
  ucontext_t context_ = {};
#else
  void* saved_stack_pointer_ = nullptr;
#endif
  // For AddressSanitizer; an OS thread's own stack is learned when it is left for the first time.
  const void* stack_ = nullptr;
  size_t stack_bytes_ = 0;
  void* fake_stack_ = nullptr;
  Fiber* resumed_by_ = nullptr;
};

// Stacks for `count` fibers, each above a page that faults. Pages are backed when touched.
class FiberStacks {
 public:
  explicit FiberStacks(size_t count);
  ~FiberStacks();
  FiberStacks(const FiberStacks&) = delete;
  FiberStacks& operator=(const FiberStacks&) = delete;

  bool ok() const { return memory_ != nullptr; }
  void* stack(size_t i) const { return memory_ + i * kPitch + kGuard; }
  // Stacks end at different places of the processor's caches: those at equal ones would push each other out at every
  // switch.
  size_t bytes(size_t i) const { return kBytes - i % kColours * kColourStep; }

 private:
  // Kernels keep tiles in registers, which are the stack here, and sanitizers triple their frames.
  static constexpr size_t kBytes = 256 << 10;
  static constexpr size_t kColours = 128, kColourStep = 5 * 64;  // cache lines, by a number prime to that of the sets
  static constexpr size_t kGuard = 64 << 10;                     // the largest page of the processors that this runs on
  static constexpr size_t kPitch = kGuard + kBytes;

  char* memory_ = nullptr;
  size_t count_;
};

}  // namespace qavit::cuda::emulation
