#include <algorithm>

#include "cpu/operations.h"
#include "cpu/packed_weight.h"

namespace qavit::cpu {

namespace {

// Rows a task takes: about 16 KB of them, so that handing out tasks costs nothing beside the work.
constexpr int64_t kElementsPerTask = 4096;

Status normalize(Context& context, const View& from, const View& to, NormRows all, void (*kernel)(const NormRows&)) {
  const RowSpan x = span_of(from), y = span_of(to);
  const int64_t rows = from.batch * from.rows;
  const int64_t rows_a_task = std::max<int64_t>(1, kElementsPerTask / from.cols);
  all.x = &x;
  all.y = &y;
  all.width = from.cols;
  context.pool.parallel_for((rows + rows_a_task - 1) / rows_a_task, [&](int64_t task, int) {
    NormRows part = all;
    part.begin = task * rows_a_task;
    part.end = std::min(rows, part.begin + rows_a_task);
    kernel(part);
  });
  return Status();
}

}  // namespace

Status run(Context& context, const LayerNormParams& p) {
  NormRows norm;
  norm.gamma = vector_of(p.gamma);
  norm.beta = vector_of(p.beta);
  norm.eps = p.eps;
  return normalize(context, p.x, p.y, norm, context.kernels.layer_norm);
}

Status run(Context& context, const RmsNormParams& p) {
  NormRows norm;
  norm.gamma = vector_of(p.gamma);
  norm.eps = p.eps;
  return normalize(context, p.x, p.y, norm, context.kernels.rms_norm);
}

}  // namespace qavit::cpu
