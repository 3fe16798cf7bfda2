// How Hopper's kernel finishes its sums, on the emulated device: the functions between wgmma's registers and memory
// need no Hopper. Every warp gets sums that say which row and column they are of; what arrives must be the product's
// result.
#include <cmath>

#include "../linear/operands.h"
#include "check.h"
#include "cuda/device/shared.cuh"
#include "cuda/linear/linear_sm90_epilogue.cuh"
#include "tests.h"

namespace qavit::cuda::test {

namespace {

// Exact in f32 and in sums of 16 parts.
__device__ float sum_at(int split, int group, int row, int column) {
  return static_cast<float>((row * 37 + column * 11 + group * 5 + split * 3) % 64 - 32) / 32;
}

// The consumers' 8 warps, with the registers that wgmma.cuh describes.
template <int kTile>
__global__ void finish_kernel(const Gemm g, const Sm90Items items) {
  using K = Sm90Constants<kTile>;
  QAVIT_DYNAMIC_SHARED(shared);
  const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
  const Sm90Part part = sm90_part<kTile>(warp / 4);
  for (int item = static_cast<int>(blockIdx.x), turn = 0; item < items.count; item += items.blocks, ++turn) {
    if (K::kT.in_turns && turn % 2 != warp / 4) continue;
    const BlockWork work = items.work(item);
    float sums[K::kParts][K::kBlocks][4];
    for (int p = 0; p < K::kParts; ++p) {
      for (int j = 0; j < K::kBlocks; ++j) {
        for (int v = 0; v < 4; ++v) {
          const int row = work.row_tile * K::kT.rows + part.row + p * 64 + warp % 4 * 16 + lane / 4 + v / 2 * 8;
          const int column = work.column_tile * K::kT.columns + part.column + j * 8 + lane % 4 * 2 + v % 2;
          sums[p][j][v] = sum_at(work.split, work.group, row, column);
        }
      }
    }
    float* const staging = reinterpret_cast<float*>(shared) + warp * K::kStagingFloats;
    finish_sums<kTile>(g, items.grid.partials, work, warp, sums, staging);
  }
}

struct Case {
  const char* name;
  int64_t batch, rows, out, groups;
  int splits;
  DType y, residual_dtype;
  bool bias, residual;
  Activation activation;
  float alpha;
  Layout layout;
};

constexpr Layout kDense = {0, 0, 0}, kApart = {16, 24, 64}, kOdd = {1, 3, 5};
constexpr Case kCases[] = {
    {"bf16, bias, quick_gelu", 1, 200, 300, 1, 1, DType::kBF16, DType::kF32, true, false, Activation::kQuickGelu, 1,
     kDense},
    {"f32 with residual", 1, 130, 256, 1, 1, DType::kF32, DType::kF32, true, true, Activation::kNone, 0.5f, kDense},
    {"f16 with a bf16 residual, batch entries apart", 3, 67, 132, 1, 1, DType::kF16, DType::kBF16, true, true,
     Activation::kRelu, 1, kApart},
    {"bf16 with an f16 residual", 2, 64, 128, 1, 1, DType::kBF16, DType::kF16, false, true, Activation::kNone, 1,
     kDense},
    {"groups", 1, 70, 200, 3, 1, DType::kBF16, DType::kF32, true, true, Activation::kNone, 1, kDense},
    {"groups of odd width", 1, 70, 201, 3, 1, DType::kF32, DType::kF32, true, true, Activation::kNone, 1, kDense},
    {"nothing aligned", 2, 66, 77, 1, 1, DType::kBF16, DType::kBF16, true, true, Activation::kNone, 2, kOdd},
    {"one element", 1, 1, 1, 1, 1, DType::kF32, DType::kF32, true, false, Activation::kNone, 1, kDense},
    {"parts", 1, 130, 260, 1, 4, DType::kBF16, DType::kF32, true, true, Activation::kQuickGelu, 1, kDense},
    {"parts of groups of odd width", 2, 35, 201, 2, 3, DType::kF32, DType::kF32, true, true, Activation::kNone, 1,
     kApart},
};

double activated(double x, Activation activation) {
  if (activation == Activation::kRelu) return x > 0 ? x : 0;
  return activation == Activation::kQuickGelu ? x / (1 + std::exp(-1.702 * x)) : x;
}

double tolerance(DType dtype) { return dtype == DType::kF32 ? 1e-6 : dtype == DType::kBF16 ? 4e-3 : 5e-4; }

template <int kTile>
void hold_case(const Case& c) {
  const Sm90Tile& tile = kSm90Tiles[kTile];
  Tensor x(DType::kBF16, c.batch, c.rows, c.groups * 64, kDense), y(c.y, c.batch, c.rows, c.groups * c.out, c.layout);
  Tensor residual(c.residual_dtype, c.batch, c.rows, c.groups * c.out, c.layout);
  residual.fill_uniform();
  const TestWeight weight = matrix(DType::kBF16, c.groups, c.out, 64), bias = vector(c.groups * c.out);
  GemmOperands operands;
  operands.x = x.view;
  operands.weight = &weight.weight;
  if (c.bias) operands.bias = &bias.weight;
  if (c.residual) operands.residual = residual.view;
  operands.activation = c.activation;
  operands.alpha = c.alpha;
  operands.y = y.view;
  const Gemm g = describe_gemm(operands);

  Sm90Items items;
  items.grid.row_tiles = (g.rows + tile.rows - 1) / tile.rows;
  items.grid.column_tiles = (g.out + tile.columns - 1) / tile.columns;
  items.grid.split_steps = 1;
  items.groups = g.groups;
  items.count = items.grid.row_tiles * items.grid.column_tiles * g.groups * c.splits;
  items.stages = c.splits;
  items.blocks = 3;
  const int64_t parts = c.splits * c.groups * g.rows * ((c.out + 3) / 4 * 4);
  const Memory partials = allocate(static_cast<size_t>(parts) * sizeof(float));
  if (c.splits > 1) items.grid.partials = static_cast<float*>(partials.get());

  cudaStream_t stream = nullptr;
  (void)cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  const DeviceProperties device = {0, 80, 4, 99 * 1024, 1 << 20, true};
  const Launch context = {device, stream, partials.get(), static_cast<size_t>(parts) * sizeof(float)};
  Status status = launch(context, "test", finish_kernel<kTile>, dim3(3), dim3(256),
                         static_cast<size_t>(tile.staging_bytes()), g, items);
  if (status.ok() && c.splits > 1) status = end_split(context, g, c.splits, "test", nullptr);
  if (status.ok()) status = check(cudaStreamSynchronize(stream), "test");
  (void)cudaStreamDestroy(stream);
  const std::string name = std::string("tile ") + std::to_string(kTile) + ", " + c.name;
  if (!status.ok()) return hold(false, name + ": " + status.message());

  double worst = 0;
  for (int64_t b = 0; b < c.batch; ++b) {
    for (int64_t r = 0; r < c.rows; ++r) {
      for (int64_t column = 0; column < c.groups * c.out; ++column) {
        double sum = c.bias ? get(bias.weight.data, DType::kF32, column) : 0;
        for (int split = 0; split < c.splits; ++split) {
          sum += sum_at(split, static_cast<int>(column / c.out), static_cast<int>(b * c.rows + r),
                        static_cast<int>(column % c.out));
        }
        const double wanted =
            (c.residual ? residual.at(b, r, column) : 0) + static_cast<double>(c.alpha) * activated(sum, c.activation);
        const double error = std::abs(y.at(b, r, column) - wanted);
        worst = error <= worst ? worst : error;  // NaN becomes the worst
      }
    }
  }
  hold(worst <= 8 * tolerance(c.y), name + ": error " + std::to_string(worst));
  hold(y.numbers() == c.batch * c.rows * c.groups * c.out, name + ": something else is written too");
}

}  // namespace

void test_finishing() {
  static_assert(kSm90TileCount == 5);
  for (const Case& c : kCases) {
    hold_case<0>(c);
    hold_case<1>(c);
    hold_case<2>(c);
    hold_case<3>(c);
    hold_case<4>(c);
  }
  done("finishing");
}

}  // namespace qavit::cuda::test
