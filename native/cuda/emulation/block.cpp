#include "cuda/emulation/block.h"

#include <bit>
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>

#include "core/rounding.h"

namespace qavit::cuda::emulation {

namespace {

void run_thread() {
  current->fiber.entered();
  current->block->call_kernel();
  current->block->end_thread();
}

bool same(const Site& a, const Site& b) {
  return a.line == b.line && (a.file == b.file || std::strcmp(a.file, b.file) == 0);
}

uint32_t bit_of(const Thread& thread) { return 1u << (thread.number % kWarpSize); }

std::string describe(const uint3& index) {
  return std::to_string(index.x) + "," + std::to_string(index.y) + "," + std::to_string(index.z);
}

std::string describe(const Thread& thread) {
  const auto place = [&] { return std::string(thread.site.file) + ":" + std::to_string(thread.site.line); };
  switch (thread.state) {
    case Thread::State::kReady:
      return "could go on";
    case Thread::State::kAtBarrier:
      return "wait in __syncthreads at " + place();
    case Thread::State::kInInstruction:
      return "wait for other lanes at " + place();
    case Thread::State::kEnded:
      return "have ended";
  }
  return "";
}

}  // namespace

constinit thread_local Thread* current = nullptr;

uint32_t Dice::draw(uint32_t sides) {
  // splitmix64
  state_ += 0x9e3779b97f4a7c15u;
  uint64_t mixed = state_;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
  mixed ^= mixed >> 31;
  return static_cast<uint32_t>(((mixed >> 32) * sides) >> 32);
}

Block::Block(const Kernel& kernel, dim3 grid, dim3 size, const FiberStacks& stacks, SharedMemory& shared)
    : kernel_(kernel),
      grid_(grid),
      size_(size),
      stacks_(stacks),
      shared_(shared),
      threads_(size_t{size.x} * size.y * size.z) {
  const size_t warps = ceil_div(threads_.size(), kWarpSize);
  ready_.resize(warps);
  present_.resize(warps);
  for (size_t i = 0; i < warps; ++i) ranks_.push_back(static_cast<int>(i));
  for (size_t i = 0; i < threads_.size(); ++i) {
    Thread& thread = threads_[i];
    const auto number = static_cast<unsigned>(i);
    thread.block = this;
    thread.number = static_cast<int>(i);
    thread.index = {number % size.x, number / size.x % size.y, number / (size.x * size.y)};
  }
}

void Block::restart(uint64_t seed) {
  dice_ = Dice(seed);
  far_ahead_ = dice_.draw(2) == 0;
  for (size_t i = ranks_.size(); i > 1; --i) std::swap(ranks_[i - 1], ranks_[dice_.draw(static_cast<uint32_t>(i))]);
  running_warp_ = -1;
  alive_ = threads_.size();
  at_barrier_ = 0;
  failure_ = nullptr;
  for (Thread& thread : threads_) {
    const auto number = static_cast<size_t>(thread.number);
    thread.fiber.prepare(stacks_.stack(number), stacks_.bytes(number), run_thread);
    thread.copies.clear();
    thread.waited_for_earlier_kernels = false;
    lanes_of(present_, thread) |= bit_of(thread);
    make_ready(thread);
  }
}

bool Block::run(uint3 index, uint64_t seed) {
  index_ = index;
  restart(seed);
  shared_.poison();
  outside_.switch_to(next());
  const Thread* const last = std::exchange(current, nullptr);
  if (failure_ == nullptr && alive_ == 0) return true;
  fault_text_ = failure_ != nullptr ? failure_ : "threads wait for what never comes";
  if (last != nullptr) fault_text_ += ", noticed by thread " + emulation::describe(last->index);
  fault_text_ += " of block " + emulation::describe(index_) + ": " + describe();
  return false;
}

void Block::make_ready(Thread& thread) {
  thread.state = Thread::State::kReady;
  lanes_of(ready_, thread) |= bit_of(thread);
}

int Block::draw_warp() {
  const auto warps = static_cast<uint32_t>(ranks_.size());
  const uint32_t first = far_ahead_ ? 0 : dice_.draw(warps);
  for (uint32_t i = 0; i < warps; ++i) {
    const int warp = ranks_[(first + i) % warps];
    if (ready_[static_cast<size_t>(warp)] != 0) return warp;
  }
  return -1;
}

Fiber& Block::next() {
  if (running_warp_ < 0 || ready_[static_cast<size_t>(running_warp_)] == 0) running_warp_ = draw_warp();
  if (running_warp_ < 0) return outside_;
  // The first ready lane from a random one on.
  const auto turn = static_cast<int>(dice_.draw(kWarpSize));
  const int lane = (std::countr_zero(std::rotr(ready_[static_cast<size_t>(running_warp_)], turn)) + turn) % kWarpSize;
  current = &threads_[static_cast<size_t>(running_warp_ * kWarpSize + lane)];
  return current->fiber;
}

void Block::pass_on() {
  Thread& self = *current;
  Fiber& fiber = next();
  if (&fiber != &self.fiber) self.fiber.switch_to(fiber);
}

void Block::barrier(Site site) {
  Thread& self = *current;
  self.state = Thread::State::kAtBarrier;
  self.site = site;
  lanes_of(ready_, self) &= ~bit_of(self);
  ++at_barrier_;
  try_barrier();
  pass_on();
}

void Block::try_barrier() {
  if (at_barrier_ < threads_.size()) return;
  for (const Thread& thread : threads_) {
    if (!same(thread.site, current->site)) fail("__syncthreads reached at different lines");
  }
  for (Thread& thread : threads_) make_ready(thread);
  at_barrier_ = 0;
  running_warp_ = -1;
}

void Block::warp_instruction(WarpInstruction instruction, uint32_t mask, void* operand, Site site) {
  Thread& self = *current;
  if ((mask & bit_of(self)) == 0) fail("a warp-wide instruction by a lane that is not in its mask");
  self.state = Thread::State::kInInstruction;
  self.site = site;
  self.instruction = instruction;
  self.mask = mask;
  self.operand = operand;
  lanes_of(ready_, self) &= ~bit_of(self);
  (void)try_instruction(self);
  pass_on();
}

bool Block::try_instruction(const Thread& waiting) {
  const uint32_t wanted = waiting.mask & lanes_of(present_, waiting);
  if ((wanted & lanes_of(ready_, waiting)) != 0) return false;  // some are still on their way
  Thread* const lanes = &threads_[static_cast<size_t>(waiting.number / kWarpSize * kWarpSize)];
  LaneOperands operands;
  for (uint32_t rest = wanted; rest != 0; rest &= rest - 1) {
    const int lane = std::countr_zero(rest);
    const Thread& other = lanes[lane];
    if (other.state != Thread::State::kInInstruction || other.instruction != waiting.instruction ||
        other.mask != waiting.mask || !same(other.site, waiting.site)) {
      return false;
    }
    operands.lane[lane] = other.operand;
  }
  if (waiting.instruction != nullptr) waiting.instruction(operands);
  for (uint32_t rest = wanted; rest != 0; rest &= rest - 1) make_ready(lanes[std::countr_zero(rest)]);
  return true;
}

void Block::end_thread() {
  Thread& self = *current;
  if (kernel_.overlaps && !self.waited_for_earlier_kernels) fail("a thread ends that did not wait for earlier kernels");
  self.state = Thread::State::kEnded;
  lanes_of(ready_, self) &= ~bit_of(self);
  lanes_of(present_, self) &= ~bit_of(self);
  --alive_;
  // Those who waited for this lane need not any more.
  const auto first = static_cast<size_t>(self.number / kWarpSize * kWarpSize);
  for (size_t i = first; i < threads_.size() && i < first + kWarpSize; ++i) {
    if (threads_[i].state == Thread::State::kInInstruction && try_instruction(threads_[i])) break;
  }
  self.fiber.switch_to(next());
  std::abort();  // nothing switches to a thread that has ended
}

void Block::fail(const char* what) {
  failure_ = what;
  current->fiber.switch_to(outside_);
  std::abort();  // the block is not gone on with
}

void wait_for_earlier_kernels() { current->waited_for_earlier_kernels = true; }

void fault(const char* what) { current->block->fail(what); }

std::string Block::describe() const {
  std::map<std::string, int> counts;
  for (const Thread& thread : threads_) ++counts[emulation::describe(thread)];
  std::string text;
  for (const auto& [what, count] : counts) {
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " threads " + what;
  }
  return text;
}

}  // namespace qavit::cuda::emulation
