#include "cuda/device/rounding.h"
#include "cuda/device/runs.h"
#include "cuda/mean_rows/mean_rows.h"
#include "cuda/mean_rows/mean_rows_kernel.cuh"

namespace qavit::cuda {

namespace {

constexpr const char* kWhere = "mean_rows";

}  // namespace

// x has at least as many rows as y.
Status supports(const DeviceProperties&, const MeanRowsParams& p) { return supports_rows(p.x, kWhere); }

size_t workspace_bytes(const DeviceProperties&, const MeanRowsParams&) { return 0; }

Status run(const Launch& context, const MeanRowsParams& params) {
  MeanRows p = {row_operands(params.x, params.y), params.x.row_stride, static_cast<int>(params.x.rows / params.y.rows),
                static_cast<int>(params.y.cols)};
  p.both.x_row_stride *= p.group;
  const bool runs = moves_in_runs(params.x, kRun) && moves_in_runs(params.y, kRun);
  const auto [grid, block] = row_grid(p.both.rows, static_cast<uint32_t>(runs ? ceil_div(p.width, kRun) : p.width));
  return runs ? launch(context, kWhere, mean_rows_kernel<kRun>, grid, block, 0, p)
              : launch(context, kWhere, mean_rows_kernel<1>, grid, block, 0, p);
}

}  // namespace qavit::cuda
