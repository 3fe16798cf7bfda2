// Patch embedding as its kernels read it: a matrix product whose x is a batch of pictures. Row n of x is patch n,
// counted along the image rows, image by image; column k is byte k of the patch in (row, column, channel) order.
//
//   image row ->                    run = 3P bytes of one patch row
//   +-- run --+-- run --+-- run --+..cropped
//   | 0 1 2 ..|         |         |            x[patch, k] = pixels[patch's corner + k / run * row_stride + k % run]
//   | run ..  | patch 1 | patch 2 |
//   +---------+---------+---------+            neighbours in k are neighbours in memory, but for the ends of runs
//   | patch 3 | ...
//
// Nothing is written between the picture and the tensor cores: x exists in shared memory only, a tile at a time.
#pragma once

#include "cuda/linear/epilogue.cuh"
#include "cuda/linear/gemm.h"
#include "cuda/runtime.h"

namespace qavit::cuda {

struct PatchPixels {
  const uint8_t* data = nullptr;
  int64_t batch_stride = 0;  // all strides and counts are bytes
  int row_stride = 0;
  int run = 0;           // of one patch in one image row, 3P
  uint32_t patch = 0;    // P
  uint32_t columns = 0;  // patches along an image row
  uint32_t patches = 0;  // of an image
};

struct PatchProduct {
  PatchPixels pixels;
  // The product, without x. Its residual is the position table, once for every image.
  Gemm product;
  // The class row as an epilogue of nothing: y = table[0], a row an image. y absent: no class row.
  Epilogue class_row;
};

// The first byte of a patch.
__device__ inline const uint8_t* patch_corner(const PatchPixels& p, uint32_t row) {
  const uint32_t image = row / p.patches, patch = row - image * p.patches;
  const uint32_t patch_row = patch / p.columns, patch_column = patch - patch_row * p.columns;
  return p.data + image * p.batch_stride + static_cast<int64_t>(patch_row * p.patch) * p.row_stride +
         static_cast<int64_t>(patch_column) * p.run;
}

// Finishes `count` columns of a patch's sums; with those of an image's first patch, its class row's too.
__device__ inline void finish_patch(const PatchProduct& p, int row, int column, int count, float (&sums)[kVector]) {
  finish_columns(p.product.epilogue, static_cast<uint32_t>(row), column, count, sums);
  if (p.class_row.y.data == nullptr) return;
  const uint32_t image = static_cast<uint32_t>(row) / p.pixels.patches;
  if (static_cast<uint32_t>(row) != image * p.pixels.patches) return;
  float none[kVector] = {};
  finish_columns(p.class_row, image, column, count, none);
}

}  // namespace qavit::cuda
