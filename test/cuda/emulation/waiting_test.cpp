// That kernels which wait too little give wrong results under some order of threads, and those which wait wrongly end
// in an error. Each comes with its right form, which must be right under every order: otherwise the test would only
// show that the emulation is broken.
#include <cmath>

#include "check.h"
#include "cuda/device/cp_async.cuh"
#include "cuda/device/dependent_launch.cuh"
#include "cuda/device/shared.cuh"
#include "tests.h"

namespace qavit::test {

namespace {

using namespace cuda;

constexpr unsigned kThreads = 128;

// A launch under one seed: whether it succeeded with the results wanted.
template <typename Kernel>
bool right_under(uint64_t seed, Kernel kernel, unsigned blocks, float (*wanted)(unsigned block, unsigned thread)) {
  emulation::set_seed(seed);
  const DeviceArray<float> out(blocks * kThreads);
  std::vector<float> numbers(kThreads * 4);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i);
  const DeviceArray<float> in(numbers);
  const float* const source = in.data();
  if (!launch(on_device(), "waiting", kernel, dim3(blocks), dim3(kThreads), kThreads * 16, source, out.data()).ok()) {
    return false;
  }
  for (unsigned b = 0; b < blocks; ++b) {
    for (unsigned t = 0; t < kThreads; ++t) {
      if (out[b * kThreads + t] != wanted(b, t)) return false;
    }
  }
  return true;
}

template <typename Kernel>
void compare(const std::string& what, Kernel right, Kernel wrong, unsigned blocks,
             float (*wanted)(unsigned, unsigned)) {
  uint64_t right_count = 0, wrong_count = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    right_count += right_under(seed, right, blocks, wanted) ? 1 : 0;
    wrong_count += right_under(seed, wrong, blocks, wanted) ? 0 : 1;
  }
  check(right_count == kSeeds, what + ": the right kernel is right under every seed");
  check(wrong_count >= kSeeds * 3 / 4,
        what + ": the wrong one is found under " + std::to_string(wrong_count) + " of " + std::to_string(kSeeds));
}

// Neighbouring warps exchange values through shared memory.
template <bool kWait>
__global__ void neighbour_kernel(const float* in, float* out) {
  __shared__ float values[kThreads];
  values[threadIdx.x] = in[threadIdx.x];
  if (kWait) __syncthreads();
  out[blockIdx.x * kThreads + threadIdx.x] = values[(threadIdx.x + 32) % kThreads];
}

// Neighbouring lanes do; a warp need not run in step.
template <bool kWait>
__global__ void lane_kernel(const float* in, float* out) {
  __shared__ float values[kThreads];
  values[threadIdx.x] = in[threadIdx.x];
  if (kWait) __syncwarp();
  out[blockIdx.x * kThreads + threadIdx.x] = values[threadIdx.x ^ 1];
}

// Values are read in each of 4 rounds before the next overwrites them.
template <bool kWait>
__global__ void overwrite_kernel(const float* in, float* out) {
  __shared__ float values[kThreads];
  float sum = 0;
  for (unsigned round = 0; round < 4; ++round) {
    values[threadIdx.x] = in[threadIdx.x + round];
    __syncthreads();
    sum += values[kThreads - 1 - threadIdx.x];
    if (kWait) __syncthreads();
  }
  out[threadIdx.x] = sum;
}

// Each thread copies 4 floats and reads its own.
template <bool kWait>
__global__ void own_copy_kernel(const float* in, float* out) {
  QAVIT_DYNAMIC_SHARED(shared);
  auto* const values = reinterpret_cast<float*>(shared) + threadIdx.x * 4;
  cp_async_16(values, in + threadIdx.x * 4, true);
  cp_async_commit();
  if (kWait) cp_async_wait<0>();
  out[threadIdx.x] = values[2];
}

// Waits, but for too few groups: the second one is still on its way.
template <bool kWait>
__global__ void group_kernel(const float* in, float* out) {
  QAVIT_DYNAMIC_SHARED(shared);
  auto* const values = reinterpret_cast<float*>(shared) + threadIdx.x * 4;
  float sum = 0;
  for (int i = 0; i < 2; ++i) {
    cp_async_16(values, in + threadIdx.x * 4, i == 1);
    cp_async_commit();
    if (kWait) {
      cp_async_wait<0>();
    } else {
      cp_async_wait<1>();
    }
    sum += values[i];
  }
  out[threadIdx.x] = sum;
}

// Waits for its own copies but not, at a barrier, for those of the others.
template <bool kWait>
__global__ void others_copy_kernel(const float* in, float* out) {
  QAVIT_DYNAMIC_SHARED(shared);
  auto* const values = reinterpret_cast<float*>(shared);
  cp_async_16(values + threadIdx.x * 4, in + threadIdx.x * 4, true);
  cp_async_commit();
  cp_async_wait<0>();
  if (kWait) __syncthreads();
  out[threadIdx.x] = values[(threadIdx.x + 64) % kThreads * 4];
}

// A copy into a tile that other warps still read.
template <bool kWait>
__global__ void early_copy_kernel(const float* in, float* out) {
  QAVIT_DYNAMIC_SHARED(shared);
  auto* const values = reinterpret_cast<float*>(shared);
  values[threadIdx.x * 4] = in[threadIdx.x];
  __syncthreads();
  const float first = values[(threadIdx.x + 32) % kThreads * 4];
  if (kWait) __syncthreads();
  cp_async_16(values + threadIdx.x * 4, in, true);
  cp_async_commit();
  cp_async_wait<0>();
  __syncthreads();
  out[threadIdx.x] = first;
}

float next_warp(unsigned, unsigned thread) { return static_cast<float>((thread + 32) % kThreads); }

void waits_too_little() {
  compare("__syncthreads", neighbour_kernel<true>, neighbour_kernel<false>, 4, next_warp);
  compare("__syncwarp", lane_kernel<true>, lane_kernel<false>, 4,
          [](unsigned, unsigned thread) { return static_cast<float>(thread ^ 1); });
  compare("__syncthreads before memory is written again", overwrite_kernel<true>, overwrite_kernel<false>, 1,
          [](unsigned, unsigned thread) { return static_cast<float>(4 * (kThreads - 1 - thread) + 6); });
  compare("cp_async_wait", own_copy_kernel<true>, own_copy_kernel<false>, 1,
          [](unsigned, unsigned thread) { return static_cast<float>(4 * thread + 2); });
  compare("cp_async_wait for enough groups", group_kernel<true>, group_kernel<false>, 1,
          [](unsigned, unsigned thread) { return static_cast<float>(4 * thread + 1); });
  compare("__syncthreads after cp_async_wait", others_copy_kernel<true>, others_copy_kernel<false>, 1,
          [](unsigned, unsigned thread) { return static_cast<float>((thread + 64) % kThreads * 4); });
  compare("__syncthreads before cp.async overwrites", early_copy_kernel<true>, early_copy_kernel<false>, 1, next_warp);
}

__global__ void half_block_kernel(float* out) {
  if (threadIdx.x < 64) __syncthreads();
  out[threadIdx.x] = 0;
}

__global__ void ended_thread_kernel(float* out) {
  if (threadIdx.x == 5) return;
  __syncthreads();
  out[threadIdx.x] = 0;
}

__global__ void two_lines_kernel(float* out) {
  if (threadIdx.x < 64) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  out[threadIdx.x] = 0;
}

__global__ void crossed_kernel(float* out) {
  if (threadIdx.x % 32 < 16) {
    out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1.0f, 1);
  } else {
    __syncthreads();
  }
}

// Writes, and waits for earlier kernels but for the threads from kWaiting on.
template <unsigned kWaiting>
__global__ void overlapping_kernel(float* out) {
  if (threadIdx.x < kWaiting) wait_for_earlier_kernels();
  out[threadIdx.x] = 0;
}

Launch overlapping() {
  static const DeviceProperties properties = [] {
    DeviceProperties overlapping = on_device().device;
    overlapping.overlap = true;
    return overlapping;
  }();
  return {properties, on_device().stream, nullptr, 0};
}

void waits_for_earlier_kernels() {
  const DeviceArray<float> out(kThreads);
  const auto run = [&](const Launch& context, void (*kernel)(float*)) {
    return launch(context, "waiting", kernel, dim3(2), dim3(kThreads), 0, out.data()).ok();
  };
  check(run(overlapping(), overlapping_kernel<kThreads>), "a kernel that waits for earlier ones may overlap them");
  check(run(on_device(), overlapping_kernel<0>), "one that does not wait may run after them");
}

void fails(const std::string& what, void (*kernel)(float*), const std::string& text,
           const Launch& context = on_device()) {
  const DeviceArray<float> out(kThreads);
  bool found = true;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    emulation::set_seed(seed);
    const Status status = launch(context, "waiting", kernel, dim3(2), dim3(kThreads), 0, out.data());
    found = found && status.code() == ErrorCode::kDevice && status.message().find(text) != std::string::npos;
  }
  check(found, what + " is an error: " + emulation::last_fault());
}

}  // namespace

void test_waiting() {
  waits_too_little();
  fails("a barrier for half of the block", half_block_kernel, "64 threads wait in __syncthreads");
  fails("a barrier after a thread has ended", ended_thread_kernel, "1 threads have ended");
  fails("a barrier at two lines", two_lines_kernel, "different lines");
  fails("a shuffle without all its lanes", crossed_kernel, "wait for other lanes");
  waits_for_earlier_kernels();
  fails("no wait for earlier kernels", overlapping_kernel<0>, "did not wait for earlier kernels", overlapping());
  fails("a wait for earlier kernels by all threads but one", overlapping_kernel<kThreads - 1>,
        "did not wait for earlier kernels", overlapping());
}

}  // namespace qavit::test
