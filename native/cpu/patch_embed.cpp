// A matrix product whose rows are packed straight from the images, byte by byte as the convolution's window sees them:
// no copy of the picture as floats, none in patch order. The position table is the product's residual, broadcast over
// the batch.
#include "cpu/gemm.h"
#include "cpu/operations.h"

namespace qavit::cpu {

Status run(Context& context, const PatchEmbedParams& p) {
  const int64_t width = p.out.cols, class_rows = p.has_class ? 1 : 0;
  const int64_t patches = p.out.rows - class_rows;
  const PackedWeight& table = packed(p.table);

  Gemm gemm;
  gemm.rows = p.out.batch * patches;
  gemm.patches.pixels = span_of(p.pixels);
  gemm.patches.patch = p.patch;
  gemm.patches.patches_down = p.pixels.rows / p.patch;
  gemm.patches.patches_across = p.pixels.cols / 3 / p.patch;
  gemm.weight = &packed(p.weight);
  gemm.residual = RowSpan{table.memory.floats() + class_rows * width, DType::kF32, patches, 0, width};
  const RowSpan out = span_of(p.out);
  gemm.y = out;
  gemm.y.data = out.at(class_rows, 0);
  gemm.y.rows = patches;
  QAVIT_RETURN_IF_ERROR(run_gemm(context, gemm, "patch_embed"));

  for (int64_t b = 0; p.has_class && b < p.out.batch; ++b) {
    context.kernels.convert(table.memory.data(), DType::kF32, out.at(b * p.out.rows, 0), p.out.dtype, width);
  }
  return Status();
}

}  // namespace qavit::cpu
