// Warp-wide instructions against plain loops, and that they ask for their lanes.
#include "check.h"
#include "cuda/device/ldmatrix.cuh"
#include "cuda/device/mma.cuh"
#include "cuda/device/reduce.cuh"
#include "tests.h"

namespace qavit::test {

namespace {

using namespace cuda;

// Small integers: every product and sum is exact, so results must be equal.
float a_value(int row, int k) { return static_cast<float>((row * 7 + k * 3) % 11 - 5); }
float b_value(int k, int column) { return static_cast<float>((k * 5 + column * 2) % 9 - 4); }
float d_value(int row, int column) { return static_cast<float>(row - column); }

// One warp: a and b go through shared memory and ldmatrix; b is stored [column][k], or [k][column] and transposed.
template <typename T, bool kTransposed>
__global__ void multiply_kernel(float* d) {
  __shared__ __align__(16) T a_tile[16][16];
  __shared__ __align__(16) T b_tile[16][16];
  const int lane = static_cast<int>(threadIdx.x);
  for (int i = lane; i < 256; i += 32) {
    a_tile[i / 16][i % 16] = from_float<T>(a_value(i / 16, i % 16));
    if (i >= 128) continue;
    if (kTransposed) {
      b_tile[i / 8][i % 8] = from_float<T>(b_value(i / 8, i % 8));
    } else {
      b_tile[i / 16][i % 16] = from_float<T>(b_value(i % 16, i / 16));
    }
  }
  __syncwarp();
  uint32_t a[4], b[2];
  ldmatrix_x4(a, &a_tile[lane % 16][lane / 16 * 8]);
  if (kTransposed) {
    ldmatrix_x2_trans(b, &b_tile[lane % 16][0]);
  } else {
    ldmatrix_x2(b, &b_tile[lane % 8][lane / 8 % 2 * 8]);
  }
  float sums[4];
  for (int i = 0; i < 4; ++i) sums[i] = d_value(lane / 4 + i / 2 * 8, lane % 4 * 2 + i % 2);
  mma_m16n8k16(sums, a, b, T{});
  for (int i = 0; i < 4; ++i) d[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = sums[i];
}

template <typename T, bool kTransposed>
void multiplies(const std::string& name) {
  const DeviceArray<float> d(16 * 8);
  const Status status = launch(on_device(), "mma", multiply_kernel<T, kTransposed>, dim3(1), dim3(32), 0, d.data());
  bool equal = status.ok();
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      float sum = d_value(row, column);
      for (int k = 0; k < 16; ++k) sum += a_value(row, k) * b_value(k, column);
      equal = equal && d[static_cast<size_t>(row * 8 + column)] == sum;
    }
  }
  check(equal, "mma over ldmatrix equals plain loops, " + name);
}

// ldmatrix_x4_trans of one 32 x 8 tile whose elements are their own numbers.
__global__ void transpose_kernel(uint32_t* out) {
  __shared__ __align__(16) uint16_t tile[32][8];
  const auto lane = static_cast<int>(threadIdx.x);
  for (int i = 0; i < 8; ++i) tile[lane][i] = static_cast<uint16_t>(lane * 8 + i);
  __syncwarp();
  uint32_t r[4];
  ldmatrix_x4_trans(r, tile[lane]);
  for (int m = 0; m < 4; ++m) out[m * 32 + lane] = r[m];
}

void transposes() {
  const DeviceArray<uint32_t> out(128);
  bool equal = launch(on_device(), "ldmatrix", transpose_kernel, dim3(1), dim3(32), 0, out.data()).ok();
  for (uint32_t m = 0; m < 4; ++m) {
    for (uint32_t lane = 0; lane < 32; ++lane) {
      const uint32_t first = (m * 8 + lane % 4 * 2) * 8 + lane / 4;
      equal = equal && out[m * 32 + lane] == (first | (first + 8) << 16);
    }
  }
  check(equal, "ldmatrix_x4_trans gives each lane its column");
}

__global__ void half_a_warp_kernel(float* d) {
  if (threadIdx.x >= 16) return;
  float sums[4] = {};
  const uint32_t a[4] = {}, b[2] = {};
  mma_m16n8k16(sums, a, b, bf16{});
  d[threadIdx.x] = sums[0];
}

__global__ void shuffle_kernel(float* out) {
  const auto lane = static_cast<int>(threadIdx.x % 32);
  const auto value = static_cast<float>(lane);
  float* const to = out + threadIdx.x * 8;
  to[0] = warp_sum(value);
  to[1] = warp_sum<4>(value);
  to[2] = warp_max(value);
  to[3] = __shfl_sync(kWholeWarp, value, 5);
  to[4] = __shfl_up_sync(kWholeWarp, value, 3);
  to[5] = __shfl_down_sync(kWholeWarp, value, 3, 8);
  to[6] = static_cast<float>(__popc(__ballot_sync(kWholeWarp, lane < 7)));
  __shared__ float scratch[3];
  to[7] = block_sum<3>(1.0f, scratch);
}

void shuffles() {
  const DeviceArray<float> out(96 * 8);
  bool equal = launch(on_device(), "shuffles", shuffle_kernel, dim3(1), dim3(96), 0, out.data()).ok();
  for (size_t thread = 0; thread < 96; ++thread) {
    const int lane = static_cast<int>(thread % 32);
    const int wanted[8] = {496, lane / 4 * 16 + 6, 31, 5, lane < 3 ? lane : lane - 3, lane % 8 < 5 ? lane + 3 : lane, 7,
                           96};
    for (size_t i = 0; i < 8; ++i) equal = equal && out[thread * 8 + i] == static_cast<float>(wanted[i]);
  }
  check(equal, "shuffles, votes and sums over warps and blocks");
}

}  // namespace

void test_warp() {
  multiplies<bf16, false>("bf16");
  multiplies<bf16, true>("bf16, transposed");
  multiplies<f16, false>("f16");
  multiplies<f16, true>("f16, transposed");
  transposes();
  shuffles();
  const DeviceArray<float> d(32);
  const Status status = launch(on_device(), "mma", half_a_warp_kernel, dim3(1), dim3(32), 0, d.data());
  check(!status.ok() && status.message().find("without all 32 lanes") != std::string::npos,
        "mma by half a warp is an error");
}

}  // namespace qavit::test
