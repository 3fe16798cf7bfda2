#include <algorithm>
#include <bit>
#include <limits>
#include <string>

#include "core/shape.h"
#include "cuda/device/rounding.h"
#include "cuda/gated_activation/gated_activation.h"
#include "cuda/gated_activation/gated_activation_kernel.cuh"

namespace qavit::cuda {

namespace {

constexpr const char* kWhere = "gated_activation";

GatedRows describe(const GatedActivationParams& p) {
  GatedRows rows;
  rows.x = p.x.data;
  rows.y = p.y.data;
  rows.x_dtype = p.x.dtype;
  rows.y_dtype = p.y.dtype;
  rows.x_batch_stride = p.x.batch_stride;
  rows.x_row_stride = p.x.row_stride;
  rows.y_batch_stride = p.y.batch_stride;
  rows.y_row_stride = p.y.row_stride;
  rows.activation = p.activation;
  rows.rows = static_cast<uint32_t>(p.y.batch * p.y.rows);
  rows.batch_rows = static_cast<uint32_t>(p.y.rows);
  rows.width = static_cast<int>(p.y.cols);
  return rows;
}

}  // namespace

Status supports(const DeviceProperties&, const GatedActivationParams& p) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max() - kGateThreads * kRun;
  if (p.y.batch * p.y.rows <= kMost && p.x.cols <= kMost) return Status();
  return expected(ErrorCode::kUnsupported, "at most " + std::to_string(kMost) + " rows and columns", kWhere,
                  to_string(shape_of(p.x)));
}

size_t workspace_bytes(const DeviceProperties&, const GatedActivationParams&) { return 0; }

Status run(const Launch& context, const GatedActivationParams& params) {
  const GatedRows p = describe(params);
  // The values begin `width` elements behind the gates: a width of whole runs keeps them aligned, and leaves no rest.
  const bool runs = p.width % kRun == 0 && moves_in_runs(params.x, kRun) && moves_in_runs(params.y, kRun);
  const auto steps = static_cast<unsigned>(runs ? p.width / kRun : p.width);
  const unsigned along = std::min<unsigned>(std::bit_ceil(steps), kGateThreads);
  const dim3 block(along, kGateThreads / along);
  const dim3 grid(ceil_div(p.rows, block.y));
  return runs ? launch(context, kWhere, gated_activation_kernel<kRun>, grid, block, 0, p)
              : launch(context, kWhere, gated_activation_kernel<1>, grid, block, 0, p);
}

}  // namespace qavit::cuda
