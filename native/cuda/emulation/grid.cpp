#include "cuda/emulation/grid.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cuda/emulation/settings.h"

namespace qavit::cuda::emulation {

namespace {

// Never destroyed: launches may go on while the process ends.
struct State {
  std::mutex mutex;
  std::vector<std::unique_ptr<FiberStacks>> idle_stacks;  // kept: making them costs a thousand system calls
  std::deque<std::string> faults;                         // few, and their texts have been handed out
  uint64_t seed = setting("seed", 1);
  uint64_t launches = 0;
};

State& state() {
  static auto* const only = new State;
  return *only;
}

std::unique_ptr<FiberStacks> take_stacks() {
  {
    const std::lock_guard<std::mutex> lock(state().mutex);
    if (!state().idle_stacks.empty()) {
      auto stacks = std::move(state().idle_stacks.back());
      state().idle_stacks.pop_back();
      return stacks;
    }
  }
  return std::make_unique<FiberStacks>(kMaxThreadsPerBlock);
}

void give_back(std::unique_ptr<FiberStacks> stacks) {
  const std::lock_guard<std::mutex> lock(state().mutex);
  state().idle_stacks.push_back(std::move(stacks));
}

bool valid(dim3 grid, dim3 block, size_t shared_bytes) {
  const auto some = [](dim3 size) { return size.x > 0 && size.y > 0 && size.z > 0; };
  constexpr unsigned kMaxGridX = std::numeric_limits<int>::max(), kMaxGridYZ = 65535, kMaxBlockZ = 64;
  int shared_limit = 0;
  (void)cudaDeviceGetAttribute(&shared_limit, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0);
  return some(grid) && some(block) && grid.x <= kMaxGridX && grid.y <= kMaxGridYZ && grid.z <= kMaxGridYZ &&
         block.x <= kMaxThreadsPerBlock && block.y <= kMaxThreadsPerBlock && block.z <= kMaxBlockZ &&
         uint64_t{block.x} * block.y * block.z <= kMaxThreadsPerBlock &&
         shared_bytes <= static_cast<size_t>(shared_limit);
}

struct Launch {
  Kernel kernel;
  dim3 grid, block;
  size_t shared_bytes;
  uint64_t seed;
  std::vector<uint64_t> order;  // of blocks, x fastest
  std::atomic<size_t> next = 0;
  std::atomic<bool> failed = false;
};

void run_blocks(Launch& launch) {
  auto stacks = take_stacks();
  if (!stacks->ok()) {
    launch.failed = true;
    return;
  }
  SharedMemory shared(launch.shared_bytes);
  Block block(launch.kernel, launch.grid, launch.block, *stacks, shared);
  for (size_t i = launch.next++; i < launch.order.size() && !launch.failed; i = launch.next++) {
    const uint64_t number = launch.order[i];
    const uint64_t row = number / launch.grid.x;
    const uint3 index = {static_cast<unsigned>(number % launch.grid.x), static_cast<unsigned>(row % launch.grid.y),
                         static_cast<unsigned>(row / launch.grid.y)};
    if (block.run(index, launch.seed + number)) continue;
    launch.failed = true;
    const std::lock_guard<std::mutex> lock(state().mutex);
    state().faults.push_back(block.fault_text());
  }
  give_back(std::move(stacks));
}

}  // namespace

void set_seed(uint64_t seed) {
  const std::lock_guard<std::mutex> lock(state().mutex);
  state().seed = seed;
  state().launches = 0;
}

const char* last_fault() {
  const std::lock_guard<std::mutex> lock(state().mutex);
  return state().faults.empty() ? "" : state().faults.back().c_str();
}

cudaError_t run_grid(const Kernel& kernel, dim3 grid, dim3 block, size_t shared_bytes) {
  if (!valid(grid, block, shared_bytes)) return cudaErrorInvalidValue;
  Launch launch = {kernel, grid, block, shared_bytes, 0, {}};
  {
    const std::lock_guard<std::mutex> lock(state().mutex);
    // Far apart, since blocks add their numbers.
    launch.seed = (state().seed << 48) + (state().launches++ << 24);
  }
  Dice dice(launch.seed);
  launch.order.resize(size_t{grid.x} * grid.y * grid.z);
  for (size_t i = 0; i < launch.order.size(); ++i) launch.order[i] = i;
  for (size_t i = launch.order.size(); i > 1; --i) {
    std::swap(launch.order[i - 1], launch.order[dice.draw(static_cast<uint32_t>(i))]);
  }
  // OS threads of their own even for a single block: shared memory is poisoned there (shared_memory.h).
  std::vector<std::thread> workers(std::min<size_t>(std::max<uint64_t>(setting("threads", 2), 1), launch.order.size()));
  for (std::thread& worker : workers) worker = std::thread(run_blocks, std::ref(launch));
  for (std::thread& worker : workers) worker.join();
  return launch.failed ? cudaErrorLaunchFailure : cudaSuccess;
}

}  // namespace qavit::cuda::emulation
