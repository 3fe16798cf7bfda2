#include "cuda/norm/norm_rows.h"

#include <limits>

#include "core/shape.h"
#include "cuda/device/rounding.h"
#include "cuda/device/runs.h"
#include "cuda/weight.h"

namespace qavit::cuda {

namespace {

const float* vector_of(const Weight* weight) {
  return weight != nullptr ? static_cast<const float*>(cuda_weight(weight)->data) : nullptr;
}

}  // namespace

NormRows norm_rows(const View& x, const View& y, const Weight* gamma, const Weight* beta, float eps) {
  NormRows rows;
  rows.x = x.data;
  rows.y = y.data;
  rows.x_dtype = x.dtype;
  rows.y_dtype = y.dtype;
  rows.x_batch_stride = x.batch_stride;
  rows.x_row_stride = x.row_stride;
  rows.y_batch_stride = y.batch_stride;
  rows.y_row_stride = y.row_stride;
  rows.gamma = vector_of(gamma);
  rows.beta = vector_of(beta);
  rows.eps = eps;
  rows.rows = static_cast<uint32_t>(x.batch * x.rows);
  rows.batch_rows = static_cast<uint32_t>(x.rows);
  rows.width = static_cast<int>(x.cols);
  return rows;
}

int norm_runs(const View& x, const View& y) {
  constexpr int kColumnsPerRun = 32 * kRun;
  if (x.cols % kRun != 0 || x.cols > kMostNormRuns * kColumnsPerRun) return 0;
  if (!moves_in_runs(x, kRun) || !moves_in_runs(y, kRun)) return 0;
  return static_cast<int>(ceil_div(x.cols, kColumnsPerRun));
}

Status norm_supports(const View& x, const char* where) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max() - kNormBlockThreads;
  if (x.batch * x.rows <= kMost && x.cols <= kMost) return Status();
  return expected(ErrorCode::kUnsupported, "at most 2^31 - 257 rows and columns", where, to_string(shape_of(x)));
}

}  // namespace qavit::cuda
