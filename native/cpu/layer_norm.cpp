#include <algorithm>

#include "cpu/operations.h"
#include "cpu/packed_weight.h"

namespace qavit::cpu {

namespace {

// Rows a task takes: about 16 KB of them, so that handing out tasks costs nothing beside the work.
constexpr int64_t kElementsPerTask = 4096;

}  // namespace

Status run(Context& context, const LayerNormParams& p) {
  const RowSpan x = span_of(p.x), y = span_of(p.y);
  const int64_t rows = p.x.batch * p.x.rows;
  const int64_t rows_a_task = std::max<int64_t>(1, kElementsPerTask / p.x.cols);
  LayerNormRows all;
  all.x = &x;
  all.y = &y;
  all.gamma = vector_of(p.gamma);
  all.beta = vector_of(p.beta);
  all.eps = p.eps;
  all.width = p.x.cols;
  context.pool.parallel_for((rows + rows_a_task - 1) / rows_a_task, [&](int64_t task, int) {
    LayerNormRows part = all;
    part.begin = task * rows_a_task;
    part.end = std::min(rows, part.begin + rows_a_task);
    context.kernels.layer_norm(part);
  });
  return Status();
}

}  // namespace qavit::cpu
