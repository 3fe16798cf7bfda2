#include <algorithm>
#include <string>

#include "cuda/device/rounding.h"
#include "cuda/device/sm90/tensor_map.h"
#include "cuda/linear/gemm.h"
#include "cuda/linear/linear_sm90.h"
#include "cuda/linear/linear_sm90_kernel.cuh"

namespace qavit::cuda {

namespace {

constexpr const char* kWhere = "linear";

// Entries follow each other as rows do, so that tiles may cross from one into the next.
bool dense(const View& x) { return x.batch == 1 || x.batch_stride == x.rows * x.row_stride; }

sm90::TensorLayout x_layout(const Gemm& g, int box_rows) {
  sm90::TensorLayout layout;
  layout.data = g.x.data;
  layout.dtype = g.dtype;
  layout.rank = 3;
  layout.sizes = {g.in, g.rows, g.groups};
  // A single group's stride leads nowhere, but has to be one.
  layout.strides = {1, g.x.row_stride, g.groups > 1 ? g.in : g.x.row_stride};
  layout.box = {Sm90Tile::kDepth, box_rows, 1};
  return layout;
}

sm90::TensorLayout weight_layout(const Gemm& g, int box_columns) {
  sm90::TensorLayout layout;
  layout.data = g.weight;
  layout.dtype = g.dtype;
  layout.rank = 2;
  layout.sizes = {g.leading, static_cast<int64_t>(g.groups) * g.out};
  layout.strides = {1, g.leading};
  layout.box = {Sm90Tile::kDepth, box_columns};
  return layout;
}

GemmShape shape_of(const Gemm& g, const LinearParams& p, bool leave_parts) {
  const bool plain = p.activation == Activation::kNone && !p.residual.present();
  return {g.rows, g.out, g.leading, g.groups, plain, leave_parts};
}

Sm90Items items_of(const Gemm& g, const GemmPlan& plan, const Launch& context) {
  const Sm90Tile& tile = kSm90Tiles[plan.tile];
  Sm90Items items;
  items.grid.row_tiles = ceil_div(g.rows, tile.rows);
  items.grid.column_tiles = ceil_div(g.out, tile.columns);
  items.grid.split_steps = static_cast<int>(plan.split_depth / Sm90Tile::kDepth);
  items.grid.partials = plan.splits > 1 ? static_cast<float*>(context.workspace) : nullptr;
  items.groups = g.groups;
  items.count = items.grid.row_tiles * items.grid.column_tiles * g.groups * plan.splits;
  items.stages = g.leading / Sm90Tile::kDepth;
  items.blocks = std::min(items.count, context.device.multiprocessors);
  return items;
}

template <typename T, int kTile>
Status launch_tile(const Launch& context, const Gemm& g, const Sm90Items& items) {
  constexpr Sm90Tile kT = kSm90Tiles[kTile];
  CUtensorMap x, weight;
  QAVIT_RETURN_IF_ERROR(sm90::make_tensor_map(x_layout(g, kT.rows), kWhere, &x));
  QAVIT_RETURN_IF_ERROR(sm90::make_tensor_map(weight_layout(g, kT.columns), kWhere, &weight));
  return launch(context, kWhere, linear_sm90_kernel<T, kTile>, dim3(static_cast<unsigned>(items.blocks)),
                dim3(kSm90Threads), kT.shared_bytes(), x, weight, g, items);
}

template <typename T>
Status launch_tile(const Launch& context, const Gemm& g, const Sm90Items& items, int tile) {
  static_assert(kSm90TileCount == 5);
  switch (tile) {
    case 0:
      return launch_tile<T, 0>(context, g, items);
    case 1:
      return launch_tile<T, 1>(context, g, items);
    case 2:
      return launch_tile<T, 2>(context, g, items);
    case 3:
      return launch_tile<T, 3>(context, g, items);
    default:
      return launch_tile<T, 4>(context, g, items);
  }
}

}  // namespace

bool linear_sm90_takes(const DeviceProperties& device, const LinearParams& p) {
  if (device.compute_capability != 90 || device.portable || device.emulated) return false;
  if (p.weight->dtype == DType::kF32) return false;
  const Gemm g = describe_gemm(operands_of(p));
  return g.x_in_chunks && g.in >= Sm90Tile::kDepth && dense(p.x) && sm90::fits_tensor_map(x_layout(g, 128)) &&
         sm90::fits_tensor_map(weight_layout(g, 256)) && sm90::tensor_maps_available();
}

size_t linear_sm90_workspace_bytes(const DeviceProperties& device, const LinearParams& p, bool leave_parts) {
  const GemmShape shape = shape_of(describe_gemm(operands_of(p)), p, leave_parts);
  return partial_bytes(shape, plan_gemm_sm90(shape, device.multiprocessors, device.gemm));
}

Status run_linear_sm90(const Launch& context, const LinearParams& p, SplitSums* split) {
  const Gemm g = describe_gemm(operands_of(p));
  const GemmShape shape = shape_of(g, p, split != nullptr);
  const GemmPlan plan = plan_gemm_sm90(shape, context.device.multiprocessors, context.device.gemm);
  const size_t wanted = partial_bytes(shape, plan);
  if (wanted > context.workspace_bytes) {
    return expected(ErrorCode::kDevice, std::to_string(wanted) + " bytes of workspace", kWhere,
                    std::to_string(context.workspace_bytes));
  }
  const Sm90Items items = items_of(g, plan, context);
  QAVIT_RETURN_IF_ERROR(g.dtype == DType::kBF16 ? launch_tile<bf16>(context, g, items, plan.tile)
                                                : launch_tile<f16>(context, g, items, plan.tile));
  return end_split(context, g, plan.splits, kWhere, split);
}

}  // namespace qavit::cuda
