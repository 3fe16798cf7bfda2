// That devices are told apart as strictly as on GPUs, and made only where there is something to do.
#include "check.h"
#include "cuda/cuda_backend.h"
#include "tests.h"

namespace qavit::test {

namespace {

using namespace cuda;

constexpr int kUnused = 1, kOther = 2;

__global__ void nothing_kernel() {}

void closing_an_unused_backend() {
  Status status;
  const auto backend = [&](int ordinal) {
    CudaOptions options;
    options.ordinal = ordinal;
    return make_cuda_backend(options, &status);
  };
  (void)backend(kUnused);
  check(status.ok() && !emulation::has_context(kUnused), "a backend that did nothing leaves no context on its device");
  std::shared_ptr<Buffer> buffer;
  const bool allocated = backend(kUnused)->allocate(1, &buffer).ok();
  check(allocated && emulation::has_context(kUnused), "one that did something leaves one");
}

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
  setenv("QAVIT_EMULATION", "devices=3", 1);
  closing_an_unused_backend();
  current_device();
  unsetenv("QAVIT_EMULATION");
  (void)cudaSetDevice(0);
}

}  // namespace qavit::test
