// Describes a product to its kernels and chooses among them.
#include <limits>
#include <string>

#include "core/shape.h"
#include "cuda/device/rounding.h"
#include "cuda/linear/fma_kernel.cuh"
#include "cuda/linear/gemm.h"
#include "cuda/linear/mma_kernel.cuh"
#include "cuda/linear/reduce_kernel.cuh"

namespace qavit::cuda {

namespace {

// What kernels index with 32 bits: rows and columns of the result, and the elements of a tile's weight rows.
constexpr int64_t kMaxRows = int64_t{1} << 30;
constexpr int64_t kMaxColumns = int64_t{1} << 30;
constexpr int64_t kMaxIn = int64_t{1} << 22;
constexpr int64_t kMaxBlocks = int64_t{1} << 30;

// Bytes and strides of `view` allow `elements` at a time from any column that `column_step` leads to.
bool moves_together(const View& view, int64_t elements, int64_t column_step) {
  const auto bytes = static_cast<uintptr_t>(elements) * dtype_size(view.dtype);
  return reinterpret_cast<uintptr_t>(view.data) % bytes == 0 && view.row_stride % elements == 0 &&
         view.batch_stride % elements == 0 && column_step % elements == 0;
}

// One entry follows another as a row follows a row, so that all are one entry of B * rows rows.
bool dense(const View& view) { return view.batch == 1 || view.batch_stride == view.rows * view.row_stride; }

const void* data_of(const Weight* weight) { return weight != nullptr ? cuda_weight(weight)->data : nullptr; }

enum class Kernel : uint8_t { kFma, kMma, kElementMma };

struct Selection {
  Kernel kernel = Kernel::kFma;
  GemmPlan plan;
  size_t workspace_bytes = 0;
};

Selection select(const DeviceProperties& device, const GemmOperands& o, const Gemm& g, bool leave_parts) {
  Selection selection;
  if (g.dtype == DType::kF32) return selection;
  if (!g.x_in_chunks) {
    selection.kernel = Kernel::kElementMma;
    selection.plan.tile = kElementTile;
    return selection;
  }
  const int64_t matrices = o.gate_weight != nullptr ? 2 : 1;
  GemmShape shape = {g.rows, g.out, matrices * g.leading, g.groups};
  shape.leave_parts = leave_parts;
  selection.kernel = Kernel::kMma;
  selection.plan = plan_gemm(shape, device.multiprocessors, device.gemm);
  selection.workspace_bytes = partial_bytes(shape, selection.plan);
  return selection;
}

GemmGrid grid_of(const Gemm& g, int tile_rows, int tile_columns) {
  GemmGrid grid;
  grid.row_tiles = ceil_div(g.rows, tile_rows);
  grid.column_tiles = ceil_div(g.out, tile_columns);
  grid.split_steps = std::numeric_limits<int>::max() / 2;  // all
  return grid;
}

dim3 blocks_of(const Gemm& g, const GemmGrid& grid, int splits) {
  return dim3(static_cast<unsigned>(grid.row_tiles * grid.column_tiles * g.groups * splits));
}

template <typename T, int kTile, bool kElements>
Status launch_mma(const Launch& context, const Gemm& g, const GemmPlan& plan, const char* where) {
  constexpr Tile kT = kTiles[kTile];
  GemmGrid grid = grid_of(g, kT.rows, kT.columns);
  if (plan.splits > 1) {
    grid.split_steps = static_cast<int>(plan.split_depth / kT.depth);
    grid.partials = static_cast<float*>(context.workspace);
  }
  return launch(context, where, mma_gemm_kernel<T, kTile, kElements>, blocks_of(g, grid, plan.splits),
                dim3(kT.threads()), kT.shared_bytes(), g, grid);
}

template <typename T>
Status launch_mma(const Launch& context, const Gemm& g, const Selection& selection, const char* where) {
  const GemmPlan& plan = selection.plan;
  if (selection.kernel == Kernel::kElementMma) return launch_mma<T, kElementTile, true>(context, g, plan, where);
  static_assert(kTileCount == 4);
  switch (plan.tile) {
    case 0:
      return launch_mma<T, 0, false>(context, g, plan, where);
    case 1:
      return launch_mma<T, 1, false>(context, g, plan, where);
    case 2:
      return launch_mma<T, 2, false>(context, g, plan, where);
    default:
      return launch_mma<T, 3, false>(context, g, plan, where);
  }
}

}  // namespace

MatrixRows matrix_rows(const View& view, int64_t column_step) {
  MatrixRows m;
  m.data = view.data;
  m.dtype = view.dtype;
  m.batch_stride = view.batch_stride;
  m.row_stride = view.row_stride;
  m.vectors = moves_together(view, kVector, column_step);
  return m;
}

Gemm describe_gemm(const GemmOperands& o) {
  const CudaWeight& weight = *cuda_weight(o.weight);
  const auto [groups, out, in] = weight.shape;
  Gemm g;
  g.x = matrix_rows(o.x, in);
  g.batch_rows = static_cast<uint32_t>(o.x.rows);
  g.x_in_chunks = o.x.dtype == weight.dtype && in % kChunk == 0 && moves_together(o.x, kChunk, in);
  g.weight = weight.data;
  g.gate_weight = data_of(o.gate_weight);
  g.dtype = weight.dtype;
  g.leading = static_cast<int>(round_up(in, kMatrixRowMultiple));
  g.rows = static_cast<int>(o.x.batch * o.x.rows);
  g.groups = static_cast<int>(groups);
  g.out = static_cast<int>(out);
  g.in = static_cast<int>(in);
  g.epilogue.bias = static_cast<const float*>(data_of(o.bias));
  g.epilogue.gate_bias = static_cast<const float*>(data_of(o.gate_bias));
  g.epilogue.gate = o.gate;
  g.epilogue.activation = o.activation;
  g.epilogue.alpha = o.alpha;
  g.epilogue.residual = matrix_rows(o.residual, groups == 1 ? kVector : out);
  g.epilogue.y = matrix_rows(o.y, groups == 1 ? kVector : out);
  g.epilogue.batch_rows =
      static_cast<uint32_t>(dense(o.y) && (!o.residual.present() || dense(o.residual)) ? g.rows : o.y.rows);
  return g;
}

Status end_split(const Launch& context, const Gemm& g, int parts, const char* where, SplitSums* split) {
  if (split != nullptr) *split = {g, parts};
  if (parts == 1 || split != nullptr) return Status();
  const int64_t threads = static_cast<int64_t>(g.groups) * g.rows * ceil_div(g.out, kVector);
  return launch(context, where, reduce_gemm_kernel, dim3(static_cast<unsigned>(ceil_div(threads, kReduceThreads))),
                dim3(kReduceThreads), 0, g, static_cast<const float*>(context.workspace), parts);
}

Status gemm_supports(const GemmOperands& o, const char* where) {
  const auto [groups, out, in] = o.weight->shape;
  const int64_t rows = o.x.batch * o.x.rows;
  const bool fits = rows <= kMaxRows && groups * out <= kMaxColumns && in <= kMaxIn;
  const int64_t smallest = 64;  // of every kernel's tile sides
  if (fits && ceil_div(rows, smallest) * ceil_div(out, smallest) * groups * kMaxSplits <= kMaxBlocks) return Status();
  return expected(ErrorCode::kUnsupported, "at most 2^30 rows and columns and 2^22 inputs", where,
                  "x " + to_string(shape_of(o.x)) + " and weight " + to_string(o.weight->shape));
}

size_t gemm_workspace_bytes(const DeviceProperties& device, const GemmOperands& operands, bool leave_parts) {
  return select(device, operands, describe_gemm(operands), leave_parts).workspace_bytes;
}

Status run_gemm(const Launch& context, const GemmOperands& operands, const char* where, SplitSums* split) {
  const Gemm g = describe_gemm(operands);
  const Selection selection = select(context.device, operands, g, split != nullptr);
  if (selection.workspace_bytes > context.workspace_bytes) {
    return expected(ErrorCode::kDevice, std::to_string(selection.workspace_bytes) + " bytes of workspace", where,
                    std::to_string(context.workspace_bytes));
  }
  if (selection.kernel == Kernel::kFma) {
    const GemmGrid grid = grid_of(g, kFmaTile, kFmaTile);
    return launch(context, where, fma_gemm_kernel, blocks_of(g, grid, 1), dim3(kFmaThreads), 0, g, grid);
  }
  QAVIT_RETURN_IF_ERROR(g.dtype == DType::kBF16 ? launch_mma<bf16>(context, g, selection, where)
                                                : launch_mma<f16>(context, g, selection, where));
  return end_split(context, g, selection.plan.splits, where, split);
}

}  // namespace qavit::cuda
