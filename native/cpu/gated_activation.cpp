#include <algorithm>

#include "cpu/operations.h"

namespace qavit::cpu {

namespace {

// About 16 KB of results, with an exponential each: tens of microseconds.
constexpr int64_t kElementsPerTask = 4096;

}  // namespace

Status run(Context& context, const GatedActivationParams& p) {
  const int64_t rows = p.y.batch * p.y.rows;
  const int64_t rows_a_task = std::max<int64_t>(1, kElementsPerTask / p.y.cols);
  GatedRows all;
  all.x = span_of(p.x);
  all.y = span_of(p.y);
  all.activation = p.activation;
  all.width = p.y.cols;
  context.pool.parallel_for((rows + rows_a_task - 1) / rows_a_task, [&](int64_t task, int) {
    GatedRows part = all;
    part.begin = task * rows_a_task;
    part.end = std::min(rows, part.begin + rows_a_task);
    context.kernels.gated_activation(part);
  });
  return Status();
}

}  // namespace qavit::cpu
