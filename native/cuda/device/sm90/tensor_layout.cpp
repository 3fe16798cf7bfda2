#include "cuda/device/sm90/tensor_layout.h"

namespace qavit::cuda::sm90 {

namespace {

constexpr int64_t kAlignment = 16;                // of the address and of all strides, bytes
constexpr int64_t kMaxSize = int64_t{1} << 32;    // elements
constexpr int64_t kMaxStride = int64_t{1} << 40;  // bytes
constexpr int64_t kMaxBox = 256;                  // elements
constexpr int64_t kSwizzledLine = 128;            // bytes

}  // namespace

bool fits_tensor_map(const TensorLayout& layout) {
  if (layout.rank < 2 || layout.rank > TensorLayout::kMaxRank) return false;
  if (reinterpret_cast<uintptr_t>(layout.data) % kAlignment != 0) return false;
  const auto element = static_cast<int64_t>(dtype_size(layout.dtype));
  for (int i = 0; i < layout.rank; ++i) {
    const auto at = static_cast<size_t>(i);
    if (layout.sizes[at] < 1 || layout.sizes[at] > kMaxSize) return false;
    if (layout.box[at] < 1 || layout.box[at] > kMaxBox) return false;
    if (i == 0) continue;
    const int64_t stride = layout.strides[at];
    if (stride < 1 || stride >= kMaxStride / element || stride * element % kAlignment != 0) return false;
  }
  const int64_t line = layout.box[0] * element;
  return line % kAlignment == 0 && (!layout.swizzled || line <= kSwizzledLine);
}

}  // namespace qavit::cuda::sm90
