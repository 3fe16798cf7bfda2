#include <limits>
#include <string>

#include "core/shape.h"
#include "cuda/device/rounding.h"
#include "cuda/patch_embed/fma_patch_kernel.cuh"
#include "cuda/patch_embed/mma_patch_kernel.cuh"
#include "cuda/patch_embed/patch_embed.h"

namespace qavit::cuda {

namespace {

constexpr const char* kWhere = "patch_embed";

// What kernels index with 32 bits: patches, columns, the bytes of a patch, and the distance between the first and the
// last of them in the picture.
constexpr int64_t kMaxPatches = int64_t{1} << 30;
constexpr int64_t kMaxColumns = int64_t{1} << 30;
constexpr int64_t kMaxPatchBytes = int64_t{1} << 22;
constexpr int64_t kMaxOffset = std::numeric_limits<int>::max();
constexpr int64_t kMaxBlocks = int64_t{1} << 30;

int64_t patches_along_row(const PatchEmbedParams& p) { return p.pixels.cols / 3 / p.patch; }
int64_t patches_of_image(const PatchEmbedParams& p) { return p.pixels.rows / p.patch * patches_along_row(p); }

// The largest piece of a run of pixels that can always be read at once.
int piece_bytes(const PatchEmbedParams& p) {
  const auto address = reinterpret_cast<uintptr_t>(p.pixels.data);
  for (const int bytes : {8, 2}) {
    const bool strides =
        p.pixels.row_stride % bytes == 0 && (p.pixels.batch == 1 || p.pixels.batch_stride % bytes == 0);
    if (p.patch * 3 % bytes == 0 && address % static_cast<uintptr_t>(bytes) == 0 && strides) return bytes;
  }
  return 1;
}

// Rows [first, first + rows) of every batch entry.
View row_slice(const View& view, int64_t first, int64_t rows) {
  View slice = view;
  slice.data = static_cast<char*>(view.data) + first * view.row_stride * static_cast<int64_t>(dtype_size(view.dtype));
  slice.rows = rows;
  return slice;
}

// Rows of the position table from `first` on, the same for every image.
View table_rows(const PatchEmbedParams& p, int64_t first, int64_t rows) {
  View table;
  table.data = const_cast<void*>(cuda_weight(p.table)->data);
  table.batch = p.out.batch;
  table.cols = table.row_stride = p.out.cols;
  return row_slice(table, first, rows);
}

// y = sums + table over rows [first, first + rows) of each image.
Epilogue epilogue_of(const PatchEmbedParams& p, int64_t first, int64_t rows) {
  Epilogue e;
  e.residual = matrix_rows(table_rows(p, first, rows), kVector);
  e.y = matrix_rows(row_slice(p.out, first, rows), kVector);
  e.batch_rows = static_cast<uint32_t>(rows);
  return e;
}

PatchProduct describe(const PatchEmbedParams& p) {
  const CudaWeight& weight = *cuda_weight(p.weight);
  const int64_t patches = patches_of_image(p), first = p.has_class ? 1 : 0;
  PatchProduct d;
  d.pixels.data = p.pixels.row<const uint8_t>(0, 0);
  d.pixels.batch_stride = p.pixels.batch_stride;
  d.pixels.row_stride = static_cast<int>(p.pixels.row_stride);
  d.pixels.run = static_cast<int>(p.patch * 3);
  d.pixels.patch = static_cast<uint32_t>(p.patch);
  d.pixels.columns = static_cast<uint32_t>(patches_along_row(p));
  d.pixels.patches = static_cast<uint32_t>(patches);
  d.product.weight = weight.data;
  d.product.dtype = weight.dtype;
  d.product.leading = static_cast<int>(weight.leading);
  d.product.rows = static_cast<int>(p.out.batch * patches);
  d.product.out = static_cast<int>(p.out.cols);
  d.product.in = static_cast<int>(p.patch * p.patch * 3);
  d.product.epilogue = epilogue_of(p, first, patches);
  if (p.has_class) d.class_row = epilogue_of(p, 0, 1);
  return d;
}

template <typename Kernel>
Status launch_tiles(const Launch& context, Kernel* kernel, const PatchProduct& p, int rows, int columns, int threads,
                    size_t shared_bytes) {
  GemmGrid grid;
  grid.row_tiles = ceil_div(p.product.rows, rows);
  grid.column_tiles = ceil_div(p.product.out, columns);
  return launch(context, kWhere, kernel, dim3(static_cast<unsigned>(grid.row_tiles * grid.column_tiles)),
                dim3(static_cast<unsigned>(threads)), shared_bytes, p, grid);
}

template <typename T, int kPiece>
Status launch_mma(const Launch& context, const PatchProduct& p) {
  return launch_tiles(context, mma_patch_kernel<T, kPiece>, p, kPatchRows, kPatchColumns, kPatchThreads,
                      kPatchSharedBytes);
}

template <typename T>
Status launch_mma(const Launch& context, const PatchProduct& p, int piece) {
  if (piece == 8) return launch_mma<T, 8>(context, p);
  if (piece == 2) return launch_mma<T, 2>(context, p);
  return launch_mma<T, 1>(context, p);
}

}  // namespace

Status supports(const DeviceProperties&, const PatchEmbedParams& p) {
  const int64_t bytes = p.patch * p.patch * 3, patches = p.out.batch * patches_of_image(p);
  const int64_t blocks = ceil_div(patches, kFmaPatchTile) * ceil_div(p.out.cols, kFmaPatchTile);
  if (bytes <= kMaxPatchBytes && p.pixels.row_stride <= kMaxOffset / p.patch && patches <= kMaxPatches &&
      p.out.cols <= kMaxColumns && blocks <= kMaxBlocks) {
    return Status();
  }
  return expected(ErrorCode::kUnsupported, "at most 2^30 patches and columns, 2^22 bytes a patch and 2^31 between them",
                  kWhere, "pixels " + to_string(shape_of(p.pixels)) + " and weight " + to_string(p.weight->shape));
}

size_t workspace_bytes(const DeviceProperties&, const PatchEmbedParams&) { return 0; }

Status run(const Launch& context, const PatchEmbedParams& p) {
  QAVIT_RETURN_IF_ERROR(supports(context.device, p));
  const PatchProduct product = describe(p);
  switch (product.product.dtype) {
    case DType::kBF16:
      return launch_mma<bf16>(context, product, piece_bytes(p));
    case DType::kF16:
      return launch_mma<f16>(context, product, piece_bytes(p));
    default:
      return launch_tiles(context, fma_patch_kernel, product, kFmaPatchTile, kFmaPatchTile, kFmaPatchThreads, 0);
  }
}

}  // namespace qavit::cuda
