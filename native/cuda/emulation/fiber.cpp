#include "cuda/emulation/fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstring>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#ifndef QAVIT_UCONTEXT
// Pushes what a call must preserve, notes the stack pointer in *save, and undoes the same on the stack `to`.
extern "C" void qavit_switch_stack(void** save, void* to);

#if defined(__x86_64__)
asm(R"(
.text
.hidden qavit_switch_stack
.globl qavit_switch_stack
.type qavit_switch_stack, @function
qavit_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size qavit_switch_stack, .-qavit_switch_stack
)");
#elif defined(__aarch64__)
asm(R"(
.text
.hidden qavit_switch_stack
.globl qavit_switch_stack
.type qavit_switch_stack, %function
qavit_switch_stack:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x2, sp
  str x2, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size qavit_switch_stack, .-qavit_switch_stack
)");
#endif
#endif

namespace qavit::cuda::emulation {

void Fiber::prepare(void* stack, size_t bytes, void (*entry)()) {
  stack_ = stack;
  stack_bytes_ = bytes;
  fake_stack_ = nullptr;
#ifdef __SANITIZE_ADDRESS__
  __asan_unpoison_memory_region(stack, bytes);  // what was dropped here left its frames marked
#endif
#ifdef QAVIT_UCONTEXT
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack;
  context_.uc_stack.ss_size = bytes;
  context_.uc_link = nullptr;
  makecontext(&context_, entry, 0);
#else
  // As qavit_switch_stack leaves a stack behind that it was called on at the very beginning of `entry`.
  constexpr size_t kX86Registers = 6, kArmBytes = 160, kArmReturnAddress = 88;
  char* top = static_cast<char*>(stack) + bytes;
  const auto address = reinterpret_cast<uintptr_t>(entry);
#ifdef __x86_64__
  (void)kArmBytes, (void)kArmReturnAddress;
  top -= 2 * sizeof address;  // the entry's address, and above it the place of its return address
  std::memset(top, 0, 2 * sizeof address);
  std::memcpy(top, &address, sizeof address);
  top -= kX86Registers * sizeof address;
  std::memset(top, 0, kX86Registers * sizeof address);
#else
  (void)kX86Registers;
  top -= kArmBytes;
  std::memset(top, 0, kArmBytes);
  std::memcpy(top + kArmReturnAddress, &address, sizeof address);
#endif
  saved_stack_pointer_ = top;
#endif
}

void Fiber::switch_to(Fiber& to) {
  to.resumed_by_ = this;
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(&fake_stack_, to.stack_, to.stack_bytes_);
#endif
#ifdef QAVIT_UCONTEXT
  swapcontext(&context_, &to.context_);
#else
  qavit_switch_stack(&saved_stack_pointer_, to.saved_stack_pointer_);
#endif
  entered();
}

void Fiber::entered() {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fake_stack_, &resumed_by_->stack_, &resumed_by_->stack_bytes_);
#endif
}

FiberStacks::FiberStacks(size_t count) : count_(count) {
  void* const memory =
      mmap(nullptr, count * kPitch, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return;
  memory_ = static_cast<char*>(memory);
  for (size_t i = 0; i < count; ++i) (void)mprotect(memory_ + i * kPitch, kGuard, PROT_NONE);
}

FiberStacks::~FiberStacks() {
  if (memory_ == nullptr) return;
#ifdef __SANITIZE_ADDRESS__
  // Threads of a block end without returning from their frames: what is mapped at these addresses next is none of them.
  __asan_unpoison_memory_region(memory_, count_ * kPitch);
#endif
  (void)munmap(memory_, count_ * kPitch);
}

}  // namespace qavit::cuda::emulation
