// Block: runs the threads of one CUDA block, each a fiber, on the OS thread that calls run().
//
// A thread runs until it waits (at __syncthreads, or in a warp-wide instruction for the other lanes) or ends; then one
// that is ready is drawn. Two ways of drawing, taken in turns by the dice of the block:
//   far ahead   warps have ranks, and the ready warp of the highest rank always goes on: one warp gets as far ahead of
//               the others as barriers let it
//   mixed       any ready warp
// Lanes of a warp are drawn at random in both. When nobody is ready and not all have ended, threads wait for what
// never comes: a fault that tells who waits where.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cuda/emulation/async_copies.h"
#include "cuda/emulation/fault.h"
#include "cuda/emulation/fiber.h"
#include "cuda/emulation/shared_memory.h"
#include "cuda/emulation/vector_types.h"

namespace qavit::cuda::emulation {

class Block;

constexpr int kWarpSize = 32;
constexpr unsigned kMaxThreadsPerBlock = 1024;

// What the lanes of a warp brought to a warp-wide instruction: a pointer each into their own stacks, null from lanes
// that do not take part.
struct LaneOperands {
  void* lane[kWarpSize] = {};
};
using WarpInstruction = void (*)(const LaneOperands& operands);

struct Thread {
  enum class State : uint8_t { kReady, kAtBarrier, kInInstruction, kEnded };

  Fiber fiber;
  Block* block = nullptr;
  uint3 index = {};
  int number = 0;  // within the block, x fastest
  State state = State::kReady;
  Site site = {};  // where it waits
  WarpInstruction instruction = nullptr;
  uint32_t mask = 0;  // the lanes that the instruction is for
  void* operand = nullptr;
  bool waited_for_earlier_kernels = false;
  AsyncCopies copies;
};

// A kernel with its arguments: call(arguments). Where it may overlap others, every thread must wait for them.
struct Kernel {
  void (*call)(const void* arguments);
  const void* arguments;
  bool overlaps;
};

// Small, and the same on every machine.
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed) {}
  uint32_t draw(uint32_t sides);  // 0 to sides - 1

 private:
  uint64_t state_;
};

class Block {
 public:
  Block(const Kernel& kernel, dim3 grid, dim3 size, const FiberStacks& stacks, SharedMemory& shared);

  // True when all threads have ended; otherwise fault_text() says what went wrong.
  bool run(uint3 index, uint64_t seed);
  const std::string& fault_text() const { return fault_text_; }

  dim3 grid() const { return grid_; }
  dim3 size() const { return size_; }
  uint3 index() const { return index_; }
  SharedMemory& shared() const { return shared_; }

  // For the thread that runs.
  void barrier(Site site);
  void warp_instruction(WarpInstruction instruction, uint32_t mask, void* operand, Site site);
  [[noreturn]] void fail(const char* what);
  [[noreturn]] void end_thread();

  void call_kernel() const { kernel_.call(kernel_.arguments); }

 private:
  void restart(uint64_t seed);
  void pass_on();      // to a thread that is ready, which may be the same
  Fiber& next();       // of that thread, now the current one; the outside when nobody is ready
  int draw_warp();     // -1 when nobody is ready
  void try_barrier();  // lets everybody go on once all are there
  // Performs the instruction once all its lanes are there; whether it did.
  bool try_instruction(const Thread& waiting);
  void make_ready(Thread& thread);
  uint32_t& lanes_of(std::vector<uint32_t>& masks, const Thread& thread) const {
    return masks[static_cast<size_t>(thread.number / kWarpSize)];
  }
  std::string describe() const;

  const Kernel kernel_;
  const dim3 grid_, size_;
  const FiberStacks& stacks_;
  SharedMemory& shared_;
  Fiber outside_;
  std::vector<Thread> threads_;
  std::vector<uint32_t> ready_;    // by warp, a bit a lane
  std::vector<uint32_t> present_;  // by warp: lanes that have not ended
  std::vector<int> ranks_;         // warps, those that go first in front
  bool far_ahead_ = false;         // the way of drawing
  int running_warp_ = -1;          // goes on while it has ready lanes; -1 = draw
  size_t alive_ = 0, at_barrier_ = 0;
  uint3 index_ = {};
  Dice dice_{1};
  const char* failure_ = nullptr;
  std::string fault_text_;
};

// The thread that runs on this OS thread; null outside of kernels.
extern constinit thread_local Thread* current;

// By every thread of a kernel that may overlap others: one that ends without is a fault.
void wait_for_earlier_kernels();

}  // namespace qavit::cuda::emulation
