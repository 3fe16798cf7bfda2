#include "cpu/operations.h"
#include "cpu/packed_weight.h"
#include "cpu/parallel_rows.h"

namespace qavit::cpu {

namespace {

// About 64 KB of results: ten microseconds.
constexpr int64_t kElementsPerTask = 16384;

}  // namespace

Status run(Context& context, const RotaryEmbedParams& p) {
  RotaryRows all;
  all.x = span_of(p.x);
  all.y = span_of(p.y);
  all.table = packed(p.table).memory.floats();
  all.places = p.table->shape[1];
  all.head_width = p.table->shape[2];
  all.width = p.y.cols;
  parallel_rows(context.pool, p.y.batch * p.y.rows, p.y.cols, kElementsPerTask, [&](int64_t begin, int64_t end) {
    RotaryRows part = all;
    part.begin = begin;
    part.end = end;
    context.kernels.rotary_embed(part);
  });
  return Status();
}

}  // namespace qavit::cpu
