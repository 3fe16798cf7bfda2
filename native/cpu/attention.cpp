// Two ways. Many query rows go the way of concat_attention: a head's keys and values are packed for the matrix kernel.
// A few rows, such as the one that says the next token, read keys and values where they lie. So do all where values
// that some of them do not see are infinite or NaN: the matrix kernel gives those the weight 0, and 0 times them is
// NaN.
#include <atomic>

#include "core/finite.h"
#include "core/rounding.h"
#include "cpu/attention_tasks.h"
#include "cpu/operations.h"
#include "cpu/packed_weight.h"
#include "cpu/parallel_rows.h"

namespace qavit::cpu {

namespace {

// Packing a head costs about as much as eleven rows of the matrix kernel, which does about three times the work of the
// other in the same time.
constexpr int64_t kFewRows = 4;

RelativeBias bias_of(const AttentionParams& p) {
  RelativeBias bias;
  bias.table = p.bias == nullptr ? nullptr : packed(p.bias).memory.floats();
  bias.columns = p.bias == nullptr ? 1 : p.bias->shape[2];
  bias.causal = p.causal;
  return bias;
}

int64_t padded(const Context& context, int64_t keys) { return round_up(keys, context.kernels.width); }

char* element(const View& view, int64_t batch, int64_t row, int64_t column) {
  const int64_t at = batch * view.batch_stride + row * view.row_stride + column;
  return static_cast<char*>(view.data) + at * static_cast<int64_t>(dtype_size(view.dtype));
}

int64_t key_count(const AttentionParams& p, int64_t batch) {
  return p.lengths.present() ? p.lengths.row<int32_t>(0, 0)[batch] : p.k.rows;
}

bool values_are_finite(Context& context, const AttentionParams& p) {
  constexpr int64_t kElementsPerTask = 16384;
  const RowSpan values = span_of(p.v);
  std::atomic<bool> finite = true;
  parallel_rows(context.pool, p.v.batch * p.v.rows, p.v.cols, kElementsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      if (r % p.v.rows >= key_count(p, r / p.v.rows)) continue;
      if (first_non_finite(values.at(r, 0), p.v.dtype, p.v.cols) >= 0) finite.store(false, std::memory_order_relaxed);
    }
  });
  return finite;
}

// Row `row` of batch entry `batch`, head `head`; `scratch` holds padded(keys) floats twice.
void attend_one(const Context& context, const AttentionParams& p, int64_t batch, int64_t head, int64_t row,
                float* scratch) {
  const int64_t length = key_count(p, batch);
  const int64_t position = p.causal ? length - p.q.rows + row : row;
  const int64_t column = head * (p.q.cols / p.heads);
  AttentionRow a;
  a.width = p.q.cols / p.heads;
  a.query = element(p.q, batch, row, column);
  a.keys = {element(p.k, batch, 0, column), p.k.dtype, p.k.row_stride, p.causal ? position + 1 : length};
  a.values = {element(p.v, batch, 0, column), p.v.dtype, p.v.row_stride, a.keys.count};
  a.scale = p.scale;
  a.scores = scratch;
  a.out = element(p.out, batch, row, column);
  a.out_dtype = p.out.dtype;
  if (p.bias != nullptr) {
    float* bias = scratch + padded(context, p.k.rows);
    bias_of(p).expand(head, -position, padded(context, a.keys.count), bias);
    a.bias = bias;
  }
  context.kernels.attend_row(a);
}

Status attend_rows(Context& context, const AttentionParams& p) {
  const int64_t floats = 2 * padded(context, p.k.rows), heads = p.heads * p.q.batch;
  QAVIT_RETURN_IF_ERROR(context.reserve_scratch(static_cast<size_t>(floats) * sizeof(float), "attention"));
  context.pool.parallel_for(heads * p.q.rows, [&](int64_t index, int thread) {
    const int64_t row = index % p.q.rows, head = index / p.q.rows % p.heads, batch = index / p.q.rows / p.heads;
    attend_one(context, p, batch, head, row, context.scratch[static_cast<size_t>(thread)].floats());
  });
  return Status();
}

}  // namespace

Status run(Context& context, const AttentionParams& p) {
  if (p.q.rows <= kFewRows || (p.causal && !values_are_finite(context, p))) return attend_rows(context, p);
  const RelativeBias bias = bias_of(p);
  const bool biased = p.bias != nullptr || p.causal;
  AttentionTasks tasks(context, {.q = p.q,
                                 .k = p.k,
                                 .v = p.v,
                                 .question_k = {},
                                 .question_v = {},
                                 .question_lengths = {},
                                 .heads = p.heads,
                                 .scale = p.scale,
                                 .lengths = p.lengths,
                                 .bias = biased ? &bias : nullptr});
  return tasks.attend(p.out, "attention");
}

}  // namespace qavit::cpu
