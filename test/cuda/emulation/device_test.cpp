// That devices are told apart as strictly as on GPUs.
#include "check.h"
#include "tests.h"

namespace qavit::test {

namespace {

using namespace cuda;

constexpr int kOther = 1;

__global__ void nothing_kernel() {}

void current_device() {
  cudaStream_t stream = nullptr;
  cudaEvent_t event = nullptr;
  (void)cudaSetDevice(kOther);
  (void)cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  const Launch context = {on_device().device, stream, nullptr, 0};
  const auto launched = [&] { return launch(context, "devices", nothing_kernel, dim3(1), dim3(1), 0).ok(); };
  check(launched(), "a kernel runs on the current device");
  (void)cudaSetDevice(0);
  check(!launched(), "a kernel in a stream of another device is an error");
  (void)cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
  check(cudaEventRecord(event, stream) == cudaErrorInvalidResourceHandle,
        "an event recorded in a stream of another device is an error");
  (void)cudaEventDestroy(event);
  (void)cudaStreamDestroy(stream);
}

}  // namespace

void test_device() {
  (void)on_device();  // of device 0
  setenv("QAVIT_EMULATION", "devices=2", 1);
  current_device();
  unsetenv("QAVIT_EMULATION");
  (void)cudaSetDevice(0);
}

}  // namespace qavit::test
