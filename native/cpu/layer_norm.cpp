#include "cpu/operations.h"
#include "cpu/packed_weight.h"
#include "cpu/parallel_rows.h"

namespace qavit::cpu {

namespace {

// About 16 KB.
constexpr int64_t kElementsPerTask = 4096;

Status normalize(Context& context, const View& from, const View& to, NormRows all, void (*kernel)(const NormRows&)) {
  const RowSpan x = span_of(from), y = span_of(to);
  all.x = &x;
  all.y = &y;
  all.width = from.cols;
  parallel_rows(context.pool, from.batch * from.rows, from.cols, kElementsPerTask, [&](int64_t begin, int64_t end) {
    NormRows part = all;
    part.begin = begin;
    part.end = end;
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
