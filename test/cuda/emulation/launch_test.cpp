// That launches of one kernel do not disturb each other, whatever shared memory each asks for.
#include "check.h"
#include "tests.h"

namespace qavit::test {

namespace {

using namespace cuda;

constexpr size_t kLittle = size_t{50} << 10;  // both need to be allowed
constexpr size_t kMuch = size_t{90} << 10;

__global__ void count_kernel(int* count) {
  if (threadIdx.x == 0) ++*count;
}

Status run(cudaStream_t stream, size_t shared_bytes, int* count) {
  const Launch context = {on_device().device, stream, nullptr, 0};
  return launch(context, "launching", count_kernel, dim3(1), dim3(32), shared_bytes, count);
}

void recorded_graphs() {
  const DeviceArray<int> count(std::vector<int>{0});
  cudaStream_t stream = nullptr;
  (void)cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  (void)cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
  const bool recorded = run(stream, kMuch, count.data()).ok() && run(stream, kLittle, count.data()).ok();
  (void)cudaStreamEndCapture(stream, &graph);
  const bool made = recorded && cudaGraphInstantiate(&exec, graph, 0) == cudaSuccess;
  const bool launched = made && run(stream, kLittle, count.data()).ok() &&
                        cudaGraphLaunch(exec, stream) == cudaSuccess && run(stream, kMuch, count.data()).ok();
  check(launched && count[0] == 4, "a graph keeps the shared memory that it was recorded with");
  (void)cudaGraphExecDestroy(exec);
  (void)cudaGraphDestroy(graph);
  (void)cudaStreamDestroy(stream);
}

}  // namespace

void test_launch() {
  recorded_graphs();
}

}  // namespace qavit::test
