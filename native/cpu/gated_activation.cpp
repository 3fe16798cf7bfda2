#include "cpu/operations.h"
#include "cpu/parallel_rows.h"

namespace qavit::cpu {

namespace {

// About 16 KB of results, with an exponential each: tens of microseconds.
constexpr int64_t kElementsPerTask = 4096;

}  // namespace

Status run(Context& context, const GatedActivationParams& p) {
  GatedRows all;
  all.x = span_of(p.x);
  all.y = span_of(p.y);
  all.activation = p.activation;
  all.width = p.y.cols;
  parallel_rows(context.pool, p.y.batch * p.y.rows, p.y.cols, kElementsPerTask, [&](int64_t begin, int64_t end) {
    GatedRows part = all;
    part.begin = begin;
    part.end = end;
    context.kernels.gated_activation(part);
  });
  return Status();
}

}  // namespace qavit::cpu
