#include "model.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>

#include "products.h"
#include "scheduler.h"
#include "transfers.h"

namespace qavit::cuda::emulation {

namespace {

// Threads that wait for each other.
struct Meeting {
  int arrived = 0;
  uint32_t times = 0;
  uint64_t given[32], taken[32];
};

struct Copy {
  void* to;
  unsigned char bytes[16];
};

struct ThreadCopies {
  std::vector<Copy> started, committed, waited;
};

struct BlockState {
  unsigned threads = 0;
  bool in_step = false;  // a wgmma begins when all four warps have issued it
  std::vector<unsigned char> memory;
  unsigned char* shared = nullptr;
  size_t shared_bytes = 0;
  Meeting all;
  std::map<int, Meeting> named;
  std::vector<Meeting> warps;
  std::vector<ThreadCopies> copies;
  std::vector<bool> waited;  // for earlier kernels, by thread
  std::vector<Warpgroup> groups;
  std::vector<Transfer> loads, stores;
};

constexpr size_t kPattern = 1024;  // alignment of shared memory

BlockState block;

unsigned self() { return scheduler.current().position.thread.x; }

void meet(Meeting& meeting, int threads) {
  const uint32_t times = meeting.times;
  if (++meeting.arrived < threads) return scheduler.wait_until([&, times] { return meeting.times != times; });
  meeting.arrived = 0;
  ++meeting.times;
  std::copy(std::begin(meeting.given), std::end(meeting.given), std::begin(meeting.taken));
}

void check_shared(const void* address, size_t bytes, size_t alignment) {
  const auto* const at = static_cast<const unsigned char*>(address);
  if (at < block.shared || at + bytes > block.shared + block.shared_bytes) {
    fault("an access outside of shared memory");
  }
  if (static_cast<size_t>(at - block.shared) % alignment != 0) fault("a misaligned address in shared memory");
}

Transfer take_any(std::vector<Transfer>& list) {
  const auto at = list.begin() + scheduler.draw(static_cast<uint32_t>(list.size()));
  const Transfer taken = *at;
  list.erase(at);
  return taken;
}

// One transfer; false where none is under way.
bool run_engine() {
  if (!block.loads.empty() && (block.stores.empty() || scheduler.draw(2) == 0)) {
    const Transfer load = take_any(block.loads);
    load.load();
    load.landed(load.bytes());
  } else if (!block.stores.empty()) {
    take_any(block.stores).store();
  } else {
    return false;
  }
  return true;
}

Warpgroup& group() { return block.groups[self() / 128]; }
Warpgroup::Warp& warp() { return group().warps[self() / 32 % 4]; }

// Whether a warp's product may begin.
bool issued(const Warpgroup& g, const Warpgroup::Warp& w, size_t index) {
  return w.products[index].threads == 32 && (!block.in_step || g.threads[index] == 128);
}

// The warp's next product.
void execute_next() {
  const size_t index = warp().done++;
  const Product& shape = group().shapes[index];
  const SharedMemory shared = {block.shared, block.shared_bytes};
  uint64_t& first = group().a[index];
  const uint64_t now = fingerprint_of_a(shape, shared);
  if (first != 0 && now != first) fault("an operand overwritten before all warps' products with it are done");
  first = now;
  warp().products[index].execute(shape, self() / 32 % 4, shared);
}

// At a block's end: a product that some have not issued, or that nobody has waited for.
void check_products() {
  for (const Warpgroup& g : block.groups) {
    for (const Warpgroup::Warp& w : g.warps) {
      if (w.products.size() != g.shapes.size()) fault("a wgmma that some warps of a warpgroup leave out");
      if (w.done != w.products.size()) fault("a wgmma that is not waited for");
    }
  }
}

Transfer transfer(void* shared, const CUtensorMap& map, std::initializer_list<int> coordinates) {
  check_shared(shared, 1, kPattern);
  const Transfer box(self(), static_cast<unsigned char*>(shared), map, coordinates);
  check_shared(shared, box.bytes(), kPattern);
  return box;
}

}  // namespace

const ThreadPosition& position() { return scheduler.current().position; }

void fault(const char* what) {
  std::printf("FAILED: %s\n", what);
  std::fflush(stdout);
  std::_Exit(1);
}

void wait_until(const std::function<bool()>& ready) { scheduler.wait_until(ready); }
void block_barrier() { meet(block.all, static_cast<int>(block.threads)); }
void named_barrier(int barrier, int threads) { meet(block.named[barrier], threads); }

const uint64_t* exchange(uint64_t value) {
  Meeting& warp = block.warps[self() / 32];
  warp.given[self() % 32] = value;
  meet(warp, 32);
  return warp.taken;
}

unsigned char* dynamic_shared() { return block.shared; }

void wait_for_earlier_kernels() { block.waited[self()] = true; }

void check_waited() {
  if (!block.waited[self()]) fault("a copy before the wait for earlier kernels");
}

void start_copy(void* shared, const void* global, bool valid) {
  check_waited();
  check_shared(shared, 16, 16);
  Copy copy = {shared, {}};
  if (valid) {
    if (reinterpret_cast<uintptr_t>(global) % 16 != 0) fault("a misaligned cp.async");
    std::memcpy(copy.bytes, global, 16);
  }
  std::memset(shared, 0xff, 16);
  block.copies[self()].started.push_back(copy);
}

void commit_copies() {
  ThreadCopies& c = block.copies[self()];
  c.committed.insert(c.committed.end(), c.started.begin(), c.started.end());
  c.started.clear();
}

void wait_copies() {
  ThreadCopies& c = block.copies[self()];
  c.waited.insert(c.waited.end(), c.committed.begin(), c.committed.end());
  c.committed.clear();
}

void publish_copies() {
  ThreadCopies& c = block.copies[self()];
  for (const Copy& copy : c.waited) std::memcpy(copy.to, copy.bytes, 16);
  c.waited.clear();
}

void start_load(void* shared, const CUtensorMap& map, std::initializer_list<int> coordinates,
                std::function<void(uint32_t)> landed) {
  Transfer load = transfer(shared, map, coordinates);
  load.landed = std::move(landed);
  load.poison();
  block.loads.push_back(load);
}

void start_store(const CUtensorMap& map, const void* shared, std::initializer_list<int> coordinates) {
  check_waited();
  block.stores.push_back(transfer(const_cast<void*>(shared), map, coordinates));
}

void check_box(const CUtensorMap& map, std::initializer_list<int> coordinates) {
  (void)Transfer(self(), block.shared, map, coordinates);
}

void finish_stores() {
  const auto own = [](const Transfer& store) { return store.thread() == self(); };
  for (auto at = block.stores.begin(); (at = std::find_if(at, block.stores.end(), own)) != block.stores.end();) {
    at->store();
    at = block.stores.erase(at);
  }
}

void issue_product(const Product& product) {
  Warpgroup& g = group();
  Warpgroup::Warp& w = warp();
  const unsigned lane = self() % 32;
  const size_t index = w.issued[lane]++;
  if (index == g.shapes.size()) {
    g.shapes.push_back(product);
    g.threads.push_back(0);
    g.a.push_back(0);
  }
  const Product& shape = g.shapes[index];
  if (shape.a != product.a || shape.b != product.b || shape.blocks != product.blocks ||
      shape.accumulate != product.accumulate || shape.b_is_mn_major != product.b_is_mn_major) {
    fault("a wgmma that differs among the threads of a warpgroup");
  }
  if (index == w.products.size()) {
    w.products.emplace_back();
    w.products[index].late = scheduler.draw(2) == 0;
  }
  WarpProduct& p = w.products[index];
  p.d[lane] = product.d;
  if (product.a_registers != nullptr) std::copy_n(product.a_registers, 4, p.a_registers[lane].begin());
  ++p.threads;
  ++g.threads[index];
  if (!p.late && w.done == index && issued(g, w, index)) execute_next();
}

void commit_products() {
  const unsigned lane = self() % 32;
  warp().committed[lane].push_back(warp().issued[lane]);
}

void wait_products(int groups) {
  const Warpgroup& g = group();
  const Warpgroup::Warp& w = warp();
  const std::vector<size_t>& committed = w.committed[self() % 32];
  if (committed.size() <= static_cast<size_t>(groups)) return;
  const size_t count = committed[committed.size() - 1 - static_cast<size_t>(groups)];
  if (count == 0) return;
  scheduler.wait_until([&, count] { return issued(g, w, count - 1); });
  while (w.done < count) execute_next();
}

void set_seed(uint64_t seed) { scheduler.set_seed(seed); }

void run_grid(dim3 grid, dim3 size, size_t shared_bytes, const std::function<void()>& kernel) {
  for (unsigned index = 0; index < grid.x; ++index) {
    block = BlockState();
    block.threads = size.x;
    block.in_step = scheduler.draw(2) == 0;
    block.shared_bytes = shared_bytes;
    block.memory.assign(shared_bytes + kPattern, 0xff);  // NaN
    const auto address = reinterpret_cast<uintptr_t>(block.memory.data());
    block.shared = block.memory.data() + (kPattern - address % kPattern) % kPattern;
    block.warps.resize(size.x / 32);
    block.copies.resize(size.x);
    block.waited.resize(size.x);
    block.groups.resize(size.x / 128);
    scheduler.run({index, 0, 0}, size.x, kernel, run_engine);
    check_products();
    if (!std::ranges::all_of(block.waited, std::identity())) fault("a thread that never waits for earlier kernels");
  }
}

}  // namespace qavit::cuda::emulation
