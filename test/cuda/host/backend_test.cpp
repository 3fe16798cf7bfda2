// That a backend takes nothing on a GPU before it has something to do there.
#include "../emulation/check.h"
#include "cuda/cuda_backend.h"
#include "tests.h"

namespace qavit::test {

namespace {

using namespace cuda;

std::unique_ptr<Backend> backend_of(int ordinal) {
  CudaOptions options;
  options.ordinal = ordinal;
  Status status;
  std::unique_ptr<Backend> backend = make_cuda_backend(options, &status);
  check(status.ok(), "a backend is made");
  return backend;
}

}  // namespace

void test_backend() {
  constexpr int kDevice = 1;
  setenv("QAVIT_EMULATION", "devices=2", 1);
  (void)backend_of(kDevice);
  check(!emulation::has_context(kDevice), "a backend that did nothing leaves no context on its device");
  std::shared_ptr<Buffer> buffer;
  const bool allocated = backend_of(kDevice)->allocate(1, &buffer).ok();
  check(allocated && emulation::has_context(kDevice), "one that did something leaves one");
  buffer.reset();
  unsetenv("QAVIT_EMULATION");
  (void)cudaSetDevice(0);
}

}  // namespace qavit::test
