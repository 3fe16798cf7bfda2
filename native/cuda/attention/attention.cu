#include <string>

#include "cuda/attention/attention.h"
#include "cuda/attention/row_attention_kernel.cuh"
#include "cuda/weight.h"

namespace qavit::cuda {

namespace {

constexpr const char* kWhere = "attention";

HeadRows rows_of(const View& view) { return {view.data, view.batch_stride, view.row_stride}; }

RowAttention describe_rows(const AttentionParams& p) {
  RowAttention a;
  a.q = rows_of(p.q);
  a.k = rows_of(p.k);
  a.v = rows_of(p.v);
  a.out = rows_of(p.out);
  if (p.lengths.present()) a.lengths = p.lengths.row<const int32_t>(0, 0);
  if (p.bias != nullptr) {
    a.bias = static_cast<const float*>(cuda_weight(p.bias)->data);
    a.farthest = static_cast<int>(p.bias->shape[2] / 2);
  }
  a.out_dtype = p.out.dtype;
  a.width = static_cast<int>(p.q.cols / p.heads);
  a.keys_in_runs = a.width % kRun == 0 && moves_in_runs(p.k, kRun);
  a.causal = p.causal;
  a.query_rows = static_cast<int>(p.q.rows);
  a.key_rows = static_cast<int>(p.k.rows);
  a.heads = static_cast<int>(p.heads);
  a.scale = p.scale;
  return a;
}

template <typename T>
Status launch_rows(const Launch& context, const RowAttention& a, int64_t blocks) {
  auto* const kernel = a.width <= 64    ? row_attention_kernel<T, 2>
                       : a.width <= 128 ? row_attention_kernel<T, 4>
                                        : row_attention_kernel<T, 8>;
  return launch(context, kWhere, kernel, dim3(static_cast<unsigned>(blocks)), dim3(kRowThreads), 0, a);
}

}  // namespace

Status supports(const DeviceProperties&, const AttentionParams& p) {
  QAVIT_RETURN_IF_ERROR(attention_fits(p.q, p.k, View(), p.heads, kWhere));
  constexpr int64_t kMost = int64_t{1} << 30;
  if (p.q.batch <= kMost / p.heads / p.q.rows) {
    if (p.bias == nullptr || p.bias->shape[2] <= kMost) return Status();
    return expected(ErrorCode::kUnsupported, "at most " + std::to_string(kMost) + " columns of bias", kWhere,
                    std::to_string(p.bias->shape[2]));
  }
  return expected(ErrorCode::kUnsupported, "at most " + std::to_string(kMost) + " rows of heads", kWhere,
                  std::to_string(p.q.batch) + " x " + std::to_string(p.heads) + " x " + std::to_string(p.q.rows));
}

size_t workspace_bytes(const DeviceProperties&, const AttentionParams&) { return 0; }

Status run(const Launch& context, const AttentionParams& p) {
  const RowAttention a = describe_rows(p);
  const int64_t blocks = p.q.batch * p.heads * p.q.rows;
  switch (p.q.dtype) {
    case DType::kBF16:
      return launch_rows<bf16>(context, a, blocks);
    case DType::kF16:
      return launch_rows<f16>(context, a, blocks);
    default:
      return launch_rows<float>(context, a, blocks);
  }
}

}  // namespace qavit::cuda
