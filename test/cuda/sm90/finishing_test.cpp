// How Hopper's kernel finishes its sums, on the emulated device: the functions between wgmma's registers and memory
// need no Hopper. Every warp gets sums that say which row and column they are of; what arrives must be the product's
// result, and the same bits whichever way it went.
#include <cmath>
#include <cstring>

#include "../linear/operands.h"
#include "check.h"
#include "cuda/device/shared.cuh"
#include "cuda/linear/linear_sm90_epilogue.cuh"
#include "cuda/linear/linear_sm90_items.h"
#include "reference/operations.h"
#include "tests.h"

namespace qavit::cuda::test {

namespace {

// Exact in f32 and in sums of 16 parts.
__device__ float sum_at(int split, int group, int row, int column) {
  return static_cast<float>((row * 37 + column * 11 + group * 5 + split * 3) % 64 - 32) / 32;
}

// The consumers' 8 warps, with the registers that wgmma.cuh describes. In pieces, or as finish_sums() chooses.
template <typename T, int kTile, bool kInPieces>
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
    if constexpr (kInPieces) {
      finish_pieces<kTile>(g, place_of<kTile>(work, warp), sums, staging);
    } else {
      finish_sums<T, kTile>(g, items.grid.partials, work, warp, sums, staging);
    }
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
    {"pairs", 1, 130, 320, 1, 1, DType::kF32, DType::kF32, true, true, Activation::kNone, 1, kDense},
    {"pairs of rows apart", 1, 69, 320, 1, 1, DType::kF32, DType::kF32, true, true, Activation::kNone, 1, kApart},
    {"pairs of batch entries and groups", 3, 43, 192, 2, 1, DType::kF32, DType::kF32, true, true, Activation::kNone, 1,
     kDense},
    {"pairs without residual", 1, 65, 128, 1, 1, DType::kF32, DType::kF32, true, false, Activation::kNone, 1, kDense},
    {"pairs without bias", 1, 7, 64, 1, 1, DType::kF32, DType::kF32, false, true, Activation::kNone, 1, kDense},
    {"lines", 1, 130, 320, 1, 1, DType::kBF16, DType::kF32, true, false, Activation::kNone, 1, kDense},
    {"lines, quick_gelu", 1, 201, 448, 1, 1, DType::kBF16, DType::kF32, true, false, Activation::kQuickGelu, 1, kDense},
    {"lines, gelu_erf", 1, 65, 320, 1, 1, DType::kBF16, DType::kF32, true, false, Activation::kGeluErf, 1, kApart},
    {"lines, gelu_tanh", 1, 9, 64, 1, 1, DType::kBF16, DType::kF32, true, false, Activation::kGeluTanh, 1, kDense},
    {"lines of f16, quick_gelu", 2, 67, 320, 1, 1, DType::kF16, DType::kF32, true, false, Activation::kQuickGelu, 1,
     kDense},
    {"lines of f16, gelu_erf", 1, 1, 256, 1, 1, DType::kF16, DType::kF32, true, false, Activation::kGeluErf, 1, kDense},
    {"lines of groups without bias", 1, 70, 192, 3, 1, DType::kBF16, DType::kF32, false, false, Activation::kNone, 1,
     kDense},
    {"whole lines and tails", 1, 70, 328, 1, 1, DType::kBF16, DType::kF32, true, false, Activation::kGeluErf, 1,
     kDense},
    {"whole lines at odd addresses",
     1,
     70,
     320,
     1,
     1,
     DType::kBF16,
     DType::kF32,
     true,
     false,
     Activation::kNone,
     1,
     {4, 4, 0}},
    {"parts of whole lines", 1, 130, 320, 1, 4, DType::kF32, DType::kF32, true, true, Activation::kNone, 1, kDense},
    {"parts", 1, 130, 260, 1, 4, DType::kBF16, DType::kF32, true, true, Activation::kQuickGelu, 1, kDense},
    {"parts of groups of odd width", 2, 35, 201, 2, 3, DType::kF32, DType::kF32, true, true, Activation::kNone, 1,
     kApart},
};

double tolerance(DType dtype) { return dtype == DType::kF32 ? 1e-6 : dtype == DType::kBF16 ? 4e-3 : 5e-4; }

// One product of made-up sums, and what became of it.
struct Finished {
  explicit Finished(const Case& c)
      : x(DType::kBF16, c.batch, c.rows, c.groups * 64, kDense),
        y(c.y, c.batch, c.rows, c.groups * c.out, c.layout),
        residual(c.residual_dtype, c.batch, c.rows, c.groups * c.out, c.layout),
        weight(matrix(DType::kBF16, c.groups, c.out, 64)),
        bias(vector(c.groups * c.out)) {
    residual.fill_uniform();
    GemmOperands operands;
    operands.x = x.view;
    operands.weight = &weight.weight;
    if (c.bias) operands.bias = &bias.weight;
    if (c.residual) operands.residual = residual.view;
    operands.activation = c.activation;
    operands.alpha = c.alpha;
    operands.y = y.view;
    g = describe_gemm(operands);
  }

  template <typename T, int kTile, bool kInPieces>
  Status run(const Case& c) {
    const Sm90Tile& tile = kSm90Tiles[kTile];
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
    Status status = launch(context, "test", finish_kernel<T, kTile, kInPieces>, dim3(3), dim3(256),
                           static_cast<size_t>(tile.staging_bytes()), g, items);
    if (status.ok() && c.splits > 1) status = end_split(context, g, c.splits, "test", nullptr);
    if (status.ok()) status = check(cudaStreamSynchronize(stream), "test");
    (void)cudaStreamDestroy(stream);
    return status;
  }

  double worst_error(const Case& c) const {
    double worst = 0;
    for (int64_t b = 0; b < c.batch; ++b) {
      for (int64_t r = 0; r < c.rows; ++r) {
        for (int64_t column = 0; column < c.groups * c.out; ++column) {
          double sum = c.bias ? get(bias.weight.data, DType::kF32, column) : 0;
          for (int split = 0; split < c.splits; ++split) {
            sum += sum_at(split, static_cast<int>(column / c.out), static_cast<int>(b * c.rows + r),
                          static_cast<int>(column % c.out));
          }
          const double wanted = (c.residual ? residual.at(b, r, column) : 0) +
                                static_cast<double>(c.alpha) * reference::activate(c.activation, sum);
          const double error = std::abs(y.at(b, r, column) - wanted);
          worst = error <= worst ? worst : error;  // NaN becomes the worst
        }
      }
    }
    return worst;
  }

  Tensor x, y, residual;
  TestWeight weight, bias;
  Gemm g;
};

std::string bytes_of(const Tensor& tensor) {
  return std::string(static_cast<const char*>(tensor.memory()), tensor.bytes());
}

template <typename T, int kTile>
void hold_case(const Case& c) {
  const std::string name = std::string("tile ") + std::to_string(kTile) + ", " + c.name;
  Finished finished(c);
  const std::string poisoned = bytes_of(finished.y);
  const Status status = finished.run<T, kTile, false>(c);
  if (!status.ok()) return hold(false, name + ": " + status.message());
  const double worst = finished.worst_error(c);
  hold(worst <= 8 * tolerance(c.y), name + ": error " + std::to_string(worst));
  hold(finished.y.numbers() == c.batch * c.rows * c.groups * c.out, name + ": written outside y");
  if (c.splits > 1) return;
  const std::string chosen = bytes_of(finished.y);
  std::memcpy(finished.y.memory(), poisoned.data(), poisoned.size());
  const Status again = finished.run<T, kTile, true>(c);
  hold(again.ok(), name + ", in pieces: " + again.message());
  hold(bytes_of(finished.y) == chosen, name + ": other bits in pieces");
}

template <typename T>
void hold_tiles(const Case& c) {
  hold_case<T, 0>(c);
  hold_case<T, 1>(c);
  hold_case<T, 2>(c);
  hold_case<T, 3>(c);
  hold_case<T, 4>(c);
}

// Which way a product's first 128 columns go.
void hold_choice(const char* what, Sm90Finish wanted, const Case& c) {
  const Finished finished(c);
  const Sm90Place place = {};
  const Sm90Finish found =
      c.y == DType::kF16 ? choose_finish<f16>(finished.g, place, 128) : choose_finish<bf16>(finished.g, place, 128);
  hold(found == wanted, std::string("the way of ") + what);
}

void hold_choices() {
  constexpr Case kF32 = {"", 1, 16, 320, 1, 1, DType::kF32, DType::kF32, true, true, Activation::kNone, 1, kDense};
  constexpr Case kBF16 = {"", 1,     16, 320, 1, 1, DType::kBF16, DType::kF32, true, false, Activation::kQuickGelu,
                          1,  kDense};
  const auto holds = [](const char* what, Sm90Finish wanted, Case c, const auto& change) {
    change(c);
    hold_choice(what, wanted, c);
  };
  constexpr auto kPieces = Sm90Finish::kPieces, kPairs = Sm90Finish::kPairs, kLines = Sm90Finish::kLines;
  holds("f32", kPairs, kF32, [](Case&) {});
  holds("f32 without bias and residual", kPairs, kF32, [](Case& c) { c.bias = c.residual = false; });
  holds("f32 of dense batch entries", kPairs, kF32, [](Case& c) { c.batch = 3; });
  holds("f32 of batch entries apart", kPieces, kF32, [](Case& c) {
    c.batch = 3;
    c.layout = kApart;
  });
  holds("f32 on a bf16 residual", kPieces, kF32, [](Case& c) { c.residual_dtype = DType::kBF16; });
  holds("scaled f32", kPieces, kF32, [](Case& c) { c.alpha = 0.5f; });
  holds("f32 of odd strides", kPieces, kF32, [](Case& c) { c.layout = kOdd; });
  holds("activated f32", kPieces, kF32, [](Case& c) { c.activation = Activation::kGeluErf; });
  holds("f32 of 96 columns", kPieces, kF32, [](Case& c) { c.out = 96; });
  holds("bf16", kLines, kBF16, [](Case&) {});
  holds("bf16 without bias", kLines, kBF16, [](Case& c) { c.bias = false; });
  holds("bf16 of columns that end in another tile", kLines, kBF16, [](Case& c) { c.out = 328; });
  holds("bf16 of other activations", kPieces, kBF16, [](Case& c) { c.activation = Activation::kTanh; });
  holds("bf16 at 8 bytes", kPieces, kBF16, [](Case& c) { c.layout = {4, 0, 0}; });
  holds("bf16 rows of 8 bytes", kPieces, kBF16, [](Case& c) { c.layout = {0, 4, 0}; });
  holds("bf16 on a residual", kPieces, kBF16, [](Case& c) { c.residual = true; });
  holds("f16", kLines, kBF16, [](Case& c) { c.y = DType::kF16; });
}

}  // namespace

void test_finishing() {
  static_assert(kSm90TileCount == 5);
  for (const Case& c : kCases) {
    if (c.y == DType::kF16) {
      hold_tiles<f16>(c);
    } else {
      hold_tiles<bf16>(c);
    }
  }
  hold_choices();
  done("finishing");
}

}  // namespace qavit::cuda::test
