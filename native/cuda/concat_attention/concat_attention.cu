#include "cuda/concat_attention/concat_attention.h"
#include "cuda/concat_attention/concat_attention_sm90.h"
#include "cuda/concat_attention/mma_attention_kernel.cuh"
#include "cuda/concat_attention/plain_attention_kernel.cuh"
#include "cuda/device/rounding.h"

namespace qavit::cuda {

namespace {

constexpr const char* kWhere = "concat_attention";

enum class Kernel { kSm90, kMma, kPlain };

// Whether every head's rows begin at a multiple of 16 bytes, given that heads are whole chunks. Absent operands and
// data that is not bound yet stand in nobody's way.
bool in_chunks(const View& view) {
  return reinterpret_cast<uintptr_t>(view.data) % 16 == 0 && view.row_stride % kChunk == 0 &&
         (view.batch == 1 || view.batch_stride % kChunk == 0);
}

// The kernel that computes these params; where data is not bound yet, the one that aligned data would get. No kernel
// needs a workspace, and all refuse the same, so this answer may still change when run() sees the addresses.
Kernel select(const DeviceProperties& device, const ConcatAttentionParams& p) {
#ifdef QAVIT_CUDA_EMULATION
  static_cast<void>(device);
#else
  if (attention_sm90_takes(device, p)) return Kernel::kSm90;
#endif
  const int64_t width = p.q.cols / p.heads;
  const bool half_width = p.q.dtype == DType::kBF16 || p.q.dtype == DType::kF16;
  const bool chunks = in_chunks(p.q) && in_chunks(p.k) && in_chunks(p.v) && in_chunks(p.question_k) &&
                      in_chunks(p.question_v) && width % kChunk == 0;
  return half_width && chunks && width <= 128 && p.scale > 0 ? Kernel::kMma : Kernel::kPlain;
}

// One block for `rows` queries of a head.
template <typename Kernel>
Status launch_tiles(const Launch& context, Kernel* kernel, int64_t batch, const Attention& a, int rows, int threads,
                    size_t shared_bytes) {
  const int tiles = ceil_div(a.query_rows, rows);
  const int64_t blocks = batch * a.heads * tiles;
  return launch(context, kWhere, kernel, dim3(static_cast<unsigned>(blocks)), dim3(static_cast<unsigned>(threads)),
                shared_bytes, a, tiles);
}

// Two slabs a warp read each key for twice the queries: 128 bytes of shared memory a clock are just what the tensor
// cores of sm_80 want with one slab, half of it with two. One slab makes twice the blocks: better while two slabs would
// leave multiprocessors without the two blocks that hide each other's waits. The result is the same, bit for bit.
bool two_slabs(const DeviceProperties& device, int64_t batch, const Attention& a) {
  constexpr int kRows = kQueryRows<64, 2>;
  const int64_t blocks = batch * a.heads * ceil_div(a.query_rows, kRows);
  return a.query_rows > kRows / 2 && blocks >= 2 * int64_t{device.multiprocessors};
}

template <typename T, int kWidth>
Status launch_mma(const Launch& context, int64_t batch, const Attention& a) {
  if (two_slabs(context.device, batch, a)) {
    return launch_tiles(context, mma_attention_kernel<T, kWidth, 2>, batch, a, kQueryRows<kWidth, 2>, kAttentionThreads,
                        kAttentionSharedBytes<kWidth, 2>);
  }
  return launch_tiles(context, mma_attention_kernel<T, kWidth, 1>, batch, a, kQueryRows<kWidth, 1>, kAttentionThreads,
                      kAttentionSharedBytes<kWidth, 1>);
}

template <typename T>
Status launch_mma(const Launch& context, int64_t batch, const Attention& a) {
  if (a.width <= 32) return launch_mma<T, 32>(context, batch, a);
  if (a.width <= 64) return launch_mma<T, 64>(context, batch, a);
  if (a.width <= 80) return launch_mma<T, 80>(context, batch, a);
  if (a.width <= 96) return launch_mma<T, 96>(context, batch, a);
  return launch_mma<T, 128>(context, batch, a);
}

Status launch_plain(const Launch& context, int64_t batch, const Attention& a) {
  const size_t shared_bytes = plain_attention_shared_bytes(a.width);
  auto* const kernel = a.width <= 64    ? plain_attention_kernel<8>
                       : a.width <= 128 ? plain_attention_kernel<16>
                                        : plain_attention_kernel<32>;
  return launch_tiles(context, kernel, batch, a, kPlainTile, kPlainThreads, shared_bytes);
}

}  // namespace

Status supports(const DeviceProperties&, const ConcatAttentionParams& p) {
  return attention_fits(p.q, p.k, p.question_k, p.heads, kWhere);
}

size_t workspace_bytes(const DeviceProperties&, const ConcatAttentionParams&) { return 0; }

Status run(const Launch& context, const ConcatAttentionParams& p) {
  QAVIT_RETURN_IF_ERROR(supports(context.device, p));
  const Kernel kernel = select(context.device, p);
#ifndef QAVIT_CUDA_EMULATION
  if (kernel == Kernel::kSm90) return run_attention_sm90(context, p);
#endif
  Attention a = describe(p);
  if (kernel == Kernel::kPlain) return launch_plain(context, p.q.batch, a);
  a.out_in_chunks = p.out.dtype == p.q.dtype && in_chunks(p.out);
  return p.q.dtype == DType::kBF16 ? launch_mma<bf16>(context, p.q.batch, a) : launch_mma<f16>(context, p.q.batch, a);
}

}  // namespace qavit::cuda
