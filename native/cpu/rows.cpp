// gather_rows, append_rows and copy: rows moved, converted between f32 and bf16 where the dtypes differ.
#include "cpu/operations.h"
#include "cpu/packed_weight.h"
#include "cpu/parallel_rows.h"

namespace qavit::cpu {

namespace {

// Where every row of `y` comes from: `row_of(r)` is the row of x.
template <typename RowOf>
void copy_rows(Context& context, const RowSpan& x, const View& y, RowOf&& row_of) {
  const RowSpan out = span_of(y);
  constexpr int64_t kElementsPerTask = 16384;  // 64 KB: a few microseconds of copying
  parallel_rows(context.pool, y.batch * y.rows, y.cols, kElementsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      context.kernels.convert(x.at(row_of(r), 0), x.dtype, out.at(r, 0), y.dtype, y.cols);
    }
  });
}

}  // namespace

Status run(Context& context, const GatherRowsParams& p) {
  const int64_t entries = p.table != nullptr ? p.table->shape[1] : p.source.batch;
  const int32_t* index = p.index.row<int32_t>(0, 0);
  if (p.table != nullptr) {
    const PackedWeight& table = packed(p.table);
    const RowSpan rows{table.memory.data(), table.dtype, entries, 0, table.shape[2]};
    copy_rows(context, rows, p.out, [&](int64_t r) { return int64_t{index[r]}; });
  } else {
    copy_rows(context, span_of(p.source), p.out,
              [&](int64_t r) { return int64_t{index[r / p.out.rows]} * p.source.rows + r % p.out.rows; });
  }
  return Status();
}

Status run(Context& context, const AppendRowsParams& p) {
  const auto* position = p.position.row<int32_t>(0, 0);
  for (int64_t b = 0; b < p.x.batch; ++b) {
    View x = p.x, rows = p.cache;
    x.batch = rows.batch = 1;
    x.data = p.x.row<char>(0, 0) + b * p.x.batch_stride * static_cast<int64_t>(dtype_size(p.x.dtype));
    const int64_t first = b * p.cache.batch_stride + position[b] * p.cache.row_stride;
    rows.data = p.cache.row<char>(0, 0) + first * static_cast<int64_t>(dtype_size(p.cache.dtype));
    rows.rows = p.x.rows;
    copy_rows(context, span_of(x), rows, [](int64_t r) { return r; });
  }
  return Status();
}

Status run(Context& context, const CopyParams& p) {
  copy_rows(context, span_of(p.x), p.y, [](int64_t r) { return r; });
  return Status();
}

}  // namespace qavit::cpu
