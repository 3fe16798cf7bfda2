#include "cuda/concat_attention/attention_sm90_kernel.cuh"
#include "cuda/concat_attention/concat_attention_sm90.h"
#include "cuda/device/rounding.h"
#include "cuda/device/sm90/tensor_map.h"

namespace qavit::cuda {

namespace {

constexpr const char* kWhere = "concat_attention";

// [B, rows, H*D] as the tensor copy engine sees it: columns of a head, heads, rows, batch entries. Boxes are 64 columns
// of one head in `box_rows` rows.
sm90::TensorLayout layout_of(const View& view, int64_t heads, int64_t box_rows) {
  const int64_t width = view.cols / heads;
  sm90::TensorLayout layout;
  layout.data = view.data;
  layout.dtype = view.dtype;
  layout.rank = 4;
  const bool once = view.batch == 1 || view.batch_stride == 0;  // one picture for all questions of a batch
  layout.sizes = {width, heads, view.rows, once ? 1 : view.batch};
  // Strides of dimensions of size 1 are never used, but must be valid.
  const int64_t row_stride = view.rows == 1 ? view.cols : view.row_stride;
  const int64_t batch_stride = once ? view.cols : view.batch_stride;
  layout.strides = {1, width, row_stride, batch_stride};
  layout.box = {64, 1, box_rows, 1};
  return layout;
}

using AnyTiles = Sm90Tiles<64>;  // the rows of tiles do not depend on the width

sm90::TensorLayout query_layout(const ConcatAttentionParams& p) {
  return layout_of(p.q, p.heads, AnyTiles::kQueryRows);
}
sm90::TensorLayout key_layout(const ConcatAttentionParams& p, const View& view) {
  return layout_of(view, p.heads, AnyTiles::kKeys);
}
sm90::TensorLayout out_layout(const ConcatAttentionParams& p) {
  return layout_of(p.out, p.heads, AnyTiles::kGroupRows);
}

// Whether cp.async can read the rows of each head 16 bytes at a time, given that heads are whole chunks of 8.
bool in_chunks(const View& view) {
  return !view.present() || (reinterpret_cast<uintptr_t>(view.data) % 16 == 0 && view.row_stride % 8 == 0 &&
                             (view.batch == 1 || view.batch_stride % 8 == 0));
}

template <typename T, int kWidth>
Status launch_width(const Launch& context, const ConcatAttentionParams& p) {
  using Tiles = Sm90Tiles<kWidth>;
  CUtensorMap q, k, v, out;
  QAVIT_RETURN_IF_ERROR(sm90::make_tensor_map(query_layout(p), kWhere, &q));
  QAVIT_RETURN_IF_ERROR(sm90::make_tensor_map(key_layout(p, p.k), kWhere, &k));
  QAVIT_RETURN_IF_ERROR(sm90::make_tensor_map(key_layout(p, p.v), kWhere, &v));
  QAVIT_RETURN_IF_ERROR(sm90::make_tensor_map(out_layout(p), kWhere, &out));
  const int64_t tiles = ceil_div(p.q.rows, Tiles::kQueryRows);
  const int64_t blocks = p.q.batch * p.heads * tiles;
  // Blocks that start early would share the few multiprocessors that are idle by then, although there is one for each.
  const bool alone = context.device.overlap && blocks <= context.device.multiprocessors;
  return launch(context, kWhere, attention_sm90_kernel<T, kWidth>, dim3(static_cast<unsigned>(blocks)),
                dim3(Tiles::kThreads), alone ? Tiles::kAloneBytes : Tiles::kSharedBytes, describe(p),
                static_cast<int>(tiles), q, k, v, out);
}

template <typename T>
Status launch_dtype(const Launch& context, const ConcatAttentionParams& p) {
  const int64_t width = p.q.cols / p.heads;
  if (width <= 64) return launch_width<T, 64>(context, p);
  if (width <= 80) return launch_width<T, 80>(context, p);
  if (width <= 96) return launch_width<T, 96>(context, p);
  return launch_width<T, 128>(context, p);
}

}  // namespace

bool attention_sm90_takes(const DeviceProperties& device, const ConcatAttentionParams& p) {
  const int64_t width = p.q.cols / p.heads;
  const bool half_width = p.q.dtype == DType::kBF16 || p.q.dtype == DType::kF16;
  if (device.compute_capability != 90 || device.portable || device.emulated) return false;
  if (!half_width || p.out.dtype != p.q.dtype) return false;
  if (width < 64 || width > 128 || width % 8 != 0 || !(p.scale > 0)) return false;
  return sm90::fits_tensor_map(query_layout(p)) && sm90::fits_tensor_map(key_layout(p, p.k)) &&
         sm90::fits_tensor_map(key_layout(p, p.v)) && sm90::fits_tensor_map(out_layout(p)) && in_chunks(p.k) &&
         in_chunks(p.v) && in_chunks(p.question_k) && in_chunks(p.question_v) && sm90::tensor_maps_available();
}

Status run_attention_sm90(const Launch& context, const ConcatAttentionParams& p) {
  return p.q.dtype == DType::kBF16 ? launch_dtype<bf16>(context, p) : launch_dtype<f16>(context, p);
}

}  // namespace qavit::cuda
