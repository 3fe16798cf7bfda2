#include <algorithm>
#include <variant>

#include "core/shape.h"
#include "cuda/device/rounding.h"
#include "cuda/gated_projection/gated_projection.h"
#include "cuda/layer_norm/layer_norm.h"
#include "cuda/linear/gemm.h"
#include "cuda/linear/linear.h"
#include "cuda/linear/linear_norm.h"
#include "cuda/linear/linear_sm90.h"
#include "cuda/linear/reduce_norm_kernel.cuh"

namespace qavit::cuda {

namespace {

bool same(const View& a, const View& b) {
  return a.data == b.data && a.dtype == b.dtype && shape_of(a) == shape_of(b) && a.batch_stride == b.batch_stride &&
         a.row_stride == b.row_stride;
}

// Whether a byte of `a` may be one of `b`. A row of the one is written while rows of the other are still to be read.
bool may_overlap(const View& a, const View& b) {
  if (!a.present() || !b.present()) return false;
  const auto first = [](const View& view) { return reinterpret_cast<uintptr_t>(view.data); };
  const auto end = [&](const View& view) {
    const int64_t last = (view.batch - 1) * view.batch_stride + (view.rows - 1) * view.row_stride + view.cols;
    return first(view) + static_cast<uintptr_t>(last) * dtype_size(view.dtype);
  };
  return first(a) < end(b) && first(b) < end(a);
}

std::optional<LinearParams> linear_of(const OpParams& params) {
  if (const auto* linear = std::get_if<LinearParams>(&params)) return *linear;
  if (const auto* gated = std::get_if<GatedProjectionParams>(&params)) return folded_linear(*gated);
  return std::nullopt;
}

template <int kRuns>
Status launch_runs(const Launch& context, int runs, const Gemm& g, const NormRows& rows, int splits) {
  if constexpr (kRuns < kMostReducedRuns) {
    if (runs > kRuns) return launch_runs<kRuns + 1>(context, runs, g, rows, splits);
  }
  constexpr uint32_t kRowsPerBlock = kNormThreads / 32;
  return launch(context, "layer_norm", reduce_norm_kernel<kRuns>, dim3(ceil_div(rows.rows, kRowsPerBlock)),
                dim3(kNormThreads), 0, g, rows, static_cast<const float*>(context.workspace), splits);
}

}  // namespace

std::optional<LinearNorm> join(const OpParams& first, const OpParams& second) {
  const auto* const norm = std::get_if<LayerNormParams>(&second);
  if (norm == nullptr) return std::nullopt;
  const std::optional<LinearParams> linear = linear_of(first);
  if (!linear || !same(linear->y, norm->x)) return std::nullopt;
  const bool plain = linear->activation == Activation::kNone && linear->alpha == 1.0f;
  if (!plain || linear->weight->shape[0] != 1 || linear->weight->dtype == DType::kF32) return std::nullopt;
  const int runs = norm_runs(linear->y, norm->y);
  if (runs == 0 || runs > kMostReducedRuns) return std::nullopt;
  if (linear->residual.present() && !moves_in_runs(linear->residual, kRun)) return std::nullopt;
  const bool bound = norm->y.data != nullptr;
  if (bound && (may_overlap(norm->y, linear->y) || may_overlap(norm->y, linear->residual))) return std::nullopt;
  return LinearNorm{*linear, *norm};
}

size_t workspace_bytes(const DeviceProperties& device, const LinearNorm& p) {
  const size_t apart = workspace_bytes(device, p.linear);
  const size_t portable = gemm_workspace_bytes(device, operands_of(p.linear), true);
  if (!linear_sm90_takes(device, p.linear)) return std::max(apart, portable);
  return std::max({apart, portable, linear_sm90_workspace_bytes(device, p.linear, true)});
}

Status run(const Launch& context, const LinearNorm& p) {
  const bool sm90 = linear_sm90_takes(context.device, p.linear);
  SplitSums split;
  QAVIT_RETURN_IF_ERROR(sm90 ? run_linear_sm90(context, p.linear, &split)
                             : run_gemm(context, operands_of(p.linear), "linear", &split));
  if (split.parts <= 1) return run(context, p.norm);
  const NormRows rows = norm_rows(p.norm.x, p.norm.y, p.norm.gamma, p.norm.beta, p.norm.eps);
  return launch_runs<1>(context, norm_runs(p.norm.x, p.norm.y), split.gemm, rows, split.parts);
}

}  // namespace qavit::cuda
