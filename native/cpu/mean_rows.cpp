#include "cpu/operations.h"
#include "cpu/parallel_rows.h"

namespace qavit::cpu {

namespace {

// 64 KB of f32 that are read: a few microseconds, as of a copy.
constexpr int64_t kElementsPerTask = 16384;

}  // namespace

Status run(Context& context, const MeanRowsParams& p) {
  MeanRows all;
  all.x = span_of(p.x);
  all.y = span_of(p.y);
  all.group = p.x.rows / p.y.rows;
  all.width = p.y.cols;
  const int64_t rows = p.y.batch * p.y.rows, read = all.group * all.width;
  parallel_rows(context.pool, rows, read, kElementsPerTask, [&](int64_t begin, int64_t end) {
    MeanRows part = all;
    part.begin = begin;
    part.end = end;
    context.kernels.mean_rows(part);
  });
  return Status();
}

}  // namespace qavit::cpu
