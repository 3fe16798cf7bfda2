#include <limits>
#include <string>

#include "core/shape.h"
#include "cuda/layer_norm/layer_norm.h"
#include "cuda/layer_norm/layer_norm_kernel.cuh"
#include "cuda/weight.h"

namespace qavit::cuda {

namespace {

constexpr const char* kWhere = "layer_norm";
constexpr int kMaxRuns = 8;  // of a lane: 64 values in registers

// Runs that each lane of the warp kernel holds; 0 = the block kernel.
int select(const LayerNormParams& p) {
  constexpr int kColumnsPerRun = 32 * kRun;
  if (p.x.cols % kRun != 0 || p.x.cols > kMaxRuns * kColumnsPerRun) return 0;
  if (!moves_in_runs(p.x, kRun) || !moves_in_runs(p.y, kRun)) return 0;
  return static_cast<int>((p.x.cols + kColumnsPerRun - 1) / kColumnsPerRun);
}

const float* vector_of(const Weight* weight) {
  return weight != nullptr ? static_cast<const float*>(cuda_weight(weight)->data) : nullptr;
}

LayerNormRows rows_of(const LayerNormParams& p) {
  LayerNormRows rows;
  rows.x = p.x.data;
  rows.y = p.y.data;
  rows.x_dtype = p.x.dtype;
  rows.y_dtype = p.y.dtype;
  rows.x_batch_stride = p.x.batch_stride;
  rows.x_row_stride = p.x.row_stride;
  rows.y_batch_stride = p.y.batch_stride;
  rows.y_row_stride = p.y.row_stride;
  rows.gamma = vector_of(p.gamma);
  rows.beta = vector_of(p.beta);
  rows.eps = p.eps;
  rows.rows = static_cast<uint32_t>(p.x.batch * p.x.rows);
  rows.batch_rows = static_cast<uint32_t>(p.x.rows);
  rows.width = static_cast<int>(p.x.cols);
  return rows;
}

template <int kRuns>
Status launch_warps(const Launch& context, int runs, const LayerNormRows& rows) {
  if constexpr (kRuns < kMaxRuns) {
    if (runs > kRuns) return launch_warps<kRuns + 1>(context, runs, rows);
  }
  constexpr uint32_t kRowsPerBlock = kLayerNormThreads / 32;
  return launch(context, kWhere, layer_norm_warp_kernel<kRuns>, dim3((rows.rows + kRowsPerBlock - 1) / kRowsPerBlock),
                dim3(kLayerNormThreads), 0, rows);
}

}  // namespace

Status supports(const DeviceProperties&, const LayerNormParams& p) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max() - kLayerNormBlockThreads;
  if (p.x.batch * p.x.rows <= kMost && p.x.cols <= kMost) return Status();
  return expected(ErrorCode::kUnsupported, "at most 2^31 - 257 rows and columns", kWhere, to_string(shape_of(p.x)));
}

size_t workspace_bytes(const DeviceProperties&, const LayerNormParams&) { return 0; }

Status run(const Launch& context, const LayerNormParams& p) {
  const LayerNormRows rows = rows_of(p);
  const int runs = select(p);
  if (runs > 0) return launch_warps<1>(context, runs, rows);
  return launch(context, kWhere, layer_norm_block_kernel, dim3(rows.rows), dim3(kLayerNormBlockThreads), 0, rows);
}

}  // namespace qavit::cuda
