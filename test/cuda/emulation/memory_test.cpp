// Memory: what is not written is NaN, what is misaligned or out of place is an error, and a device's memory ends.
#include <cmath>

#include "check.h"
#include "cuda/device/cp_async.cuh"
#include "cuda/device/ldmatrix.cuh"
#include "cuda/device/shared.cuh"
#include "tests.h"

namespace qavit::test {

namespace {

using namespace cuda;

// Every block finds NaNs, writes, and leaves zeros behind for the next one.
template <int kLength>
__global__ void unwritten_kernel(float* out) {
  QAVIT_DYNAMIC_SHARED(shared);
  __shared__ float fixed[kLength];
  auto* const dynamic = reinterpret_cast<float*>(shared);
  out[2 * blockIdx.x] = fixed[kLength - 1];
  out[2 * blockIdx.x + 1] = dynamic[kLength - 1];
  fixed[kLength - 1] = 0;
  dynamic[kLength - 1] = 0;
}

void unwritten() {
  constexpr unsigned kBlocks = 16;
  const DeviceArray<float> out(2 * kBlocks);
  check(std::isnan(out[0]), "device memory is NaN until it is written");
  bool nan = launch(on_device(), "memory", unwritten_kernel<100>, dim3(kBlocks), dim3(1), 400, out.data()).ok();
  for (size_t i = 0; i < 2 * kBlocks; i += 2) nan = nan && std::isnan(out[i]);
  check(nan, "static shared memory is NaN when a block begins");
  nan = true;
  for (size_t i = 1; i < 2 * kBlocks; i += 2) nan = nan && std::isnan(out[i]);
  check(nan, "dynamic shared memory is NaN when a block begins");
}

enum class Mistake { kNone, kPack, kCopyTarget, kCopySource, kCopyPlace, kMatrixRow, kMatrixPlace };

template <Mistake kMistake>
__global__ void mistaken_kernel(float* memory) {
  QAVIT_DYNAMIC_SHARED(shared);
  __shared__ __align__(16) float fixed[8];
  fixed[threadIdx.x % 8] = 0;
  if (kMistake == Mistake::kPack) (void)Pack<float, 4>::load(memory + 1);
  if (kMistake == Mistake::kCopyTarget) cp_async_16(shared + 4, memory, true);
  if (kMistake == Mistake::kCopySource) cp_async_16(shared, memory + 1, true);
  if (kMistake == Mistake::kCopyPlace) cp_async_16(memory, memory, true);
  uint32_t r[4];
  if (kMistake == Mistake::kMatrixRow) ldmatrix_x4(r, shared + 8);
  if (kMistake == Mistake::kMatrixPlace) ldmatrix_x4(r, memory);
  if (kMistake == Mistake::kNone) {
    (void)Pack<float, 4>::load(memory);
    cp_async_16(shared, memory, true);
    cp_async_16(fixed, nullptr, false);
    ldmatrix_x4(r, shared);
    ldmatrix_x4(r, fixed);
  }
}

template <Mistake kMistake>
void mistakes(const std::string& text) {
  const DeviceArray<float> memory(64);
  const Status status = launch(on_device(), "memory", mistaken_kernel<kMistake>, dim3(1), dim3(32), 512, memory.data());
  if (kMistake == Mistake::kNone) {
    check(status.ok(), "aligned accesses within shared memory pass");
  } else {
    check(!status.ok() && std::string(emulation::last_fault()).find(text) == 0, text + " is an error");
  }
}

__global__ void nothing_kernel() {}

void wrong_sizes() {
  const auto code = [](dim3 grid, dim3 block, size_t shared) {
    return launch(on_device(), "memory", nothing_kernel, grid, block, shared).code();
  };
  check(code(dim3(1), dim3(1024), 99 * 1024) == ErrorCode::kOk, "the largest block runs");
  check(code(dim3(1), dim3(1025), 0) == ErrorCode::kDevice, "1,025 threads a block are an error");
  check(code(dim3(0), dim3(32), 0) == ErrorCode::kDevice, "an empty grid is an error");
  check(code(dim3(1), dim3(32), 99 * 1024 + 1) == ErrorCode::kDevice, "too much shared memory is an error");
  check(code(dim3(1, 65536), dim3(32), 0) == ErrorCode::kDevice, "a grid too high is an error");
}

void runs_out() {
  size_t free = 0, total = 0;
  (void)cudaMemGetInfo(&free, &total);
  void* memory = nullptr;
  check(cudaMalloc(&memory, free + 1) == cudaErrorMemoryAllocation && memory == nullptr, "a device's memory ends");
}

}  // namespace

void test_memory() {
  unwritten();
  mistakes<Mistake::kNone>("");
  mistakes<Mistake::kPack>("a misaligned Pack");
  mistakes<Mistake::kCopyTarget>("cp.async to shared memory that is not 16-byte aligned");
  mistakes<Mistake::kCopySource>("cp.async from global memory that is not 16-byte aligned");
  mistakes<Mistake::kCopyPlace>("cp.async to an address outside of shared memory");
  mistakes<Mistake::kMatrixRow>("ldmatrix of a row that is not 16-byte aligned");
  mistakes<Mistake::kMatrixPlace>("ldmatrix of a row outside of shared memory");
  wrong_sizes();
  runs_out();
}

}  // namespace qavit::test
