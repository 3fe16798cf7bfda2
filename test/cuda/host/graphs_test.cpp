// That memory which another thread frees while a graph is recorded is freed after it.
#include "cuda/graphs.h"

#include <chrono>
#include <future>

#include "../emulation/check.h"
#include "cuda/context.h"
#include "tests.h"

namespace qavit::test {

namespace {

using namespace cuda;

constexpr size_t kBytes = size_t{300} << 20;  // more than is kept for later

size_t free_memory() {
  size_t free = 0, total = 0;
  (void)cudaMemGetInfo(&free, &total);
  return free;
}

}  // namespace

void test_graphs() {
  const auto context = std::make_shared<Context>(on_device().device, "a GPU");
  void* memory = nullptr;
  const bool allocated = context->allocate(kBytes, "a test", &memory).ok();
  const size_t before = free_memory();
  GraphCache graphs(true);
  std::future<void> freed;
  bool kept = true;
  const auto run = [&] {
    return graphs.run(context->stream(), context->capture_mutex(), 1, {&graphs}, [&](bool recording) {
      if (!recording) return Status();
      freed = std::async(std::launch::async, [&] { context->free(memory, kBytes); });
      (void)freed.wait_for(std::chrono::milliseconds(50));
      kept = free_memory() == before;
      return Status();
    });
  };
  check(allocated && run().ok() && run().ok() && graphs.recorded() == 1, "a graph is recorded while memory is freed");
  freed.wait();
  check(kept && free_memory() == before + kBytes, "the memory is freed once it is recorded");
}

}  // namespace qavit::test
