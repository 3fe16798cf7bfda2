#include "cuda/concat_attention/attention.h"

#include <string>

namespace qavit::cuda {

namespace {

constexpr double kLog2E = 1.4426950408889634;

HeadRows rows_of(const View& view) {
  if (!view.present()) return {};
  return {view.data, view.batch_stride, view.row_stride};
}

const int32_t* lengths_of(const View& view) { return view.present() ? view.row<const int32_t>(0, 0) : nullptr; }

template <typename Params>
Attention describe_keys(const Params& p) {
  Attention a;
  a.q = rows_of(p.q);
  a.k = rows_of(p.k);
  a.question_k = rows_of(p.question_k);
  a.out = rows_of(p.out);
  a.question_lengths = lengths_of(p.question_lengths);
  a.dtype = p.q.dtype;
  a.out_dtype = p.out.dtype;
  a.query_rows = static_cast<int>(p.q.rows);
  a.key_rows = static_cast<int>(p.k.rows);
  a.question_rows = static_cast<int>(p.question_k.rows);
  a.heads = static_cast<int>(p.heads);
  a.width = static_cast<int>(p.q.cols / p.heads);
  a.scale = static_cast<float>(p.scale * kLog2E);
  return a;
}

}  // namespace

Status attention_fits(const View& q, const View& k, const View& question_k, int64_t heads, const char* where) {
  if (q.cols / heads > kWidestHead) {
    return expected(ErrorCode::kUnsupported, "heads at most " + std::to_string(kWidestHead) + " wide", where,
                    std::to_string(q.cols / heads));
  }
  // A block a 32 queries of a head is the most that any kernel starts.
  constexpr int64_t kMost = int64_t{1} << 30;
  for (const int64_t rows : {q.rows, k.rows, question_k.rows}) {
    if (rows > kMost) {
      return expected(ErrorCode::kUnsupported, "at most " + std::to_string(kMost) + " rows", where,
                      std::to_string(rows));
    }
  }
  const int64_t tiles = (q.rows + 31) / 32;
  if (q.batch > kMost / heads / tiles) {
    return expected(ErrorCode::kUnsupported, "at most " + std::to_string(kMost) + " tiles of queries", where,
                    std::to_string(q.batch) + " x " + std::to_string(heads) + " x " + std::to_string(tiles));
  }
  return {};
}

Attention describe(const ConcatAttentionParams& p) {
  Attention a = describe_keys(p);
  a.v = rows_of(p.v);
  a.question_v = rows_of(p.question_v);
  return a;
}

Attention describe(const QuestionAttentionParams& p) { return describe_keys(p); }

}  // namespace qavit::cuda
