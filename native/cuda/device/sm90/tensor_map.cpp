#include "cuda/device/sm90/tensor_map.h"

#include <cudaTypedefs.h>

#include <string>

#include "cuda/runtime.h"

namespace qavit::cuda::sm90 {

namespace {

using Encode = PFN_cuTensorMapEncodeTiled_v12000;

Encode find_encode() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
  const cudaError_t error =
      cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &result);
  if (error != cudaSuccess) (void)cudaGetLastError();  // not to be reported by the next call that looks
  return error == cudaSuccess && result == cudaDriverEntryPointSuccess ? reinterpret_cast<Encode>(function) : nullptr;
}

Encode encode() {
  static const Encode found = find_encode();
  return found;
}

CUtensorMapDataType data_type(DType dtype) {
  switch (dtype) {
    case DType::kBF16:
      return CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
    case DType::kF16:
      return CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
    default:
      return CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
  }
}

}  // namespace

bool tensor_maps_available() { return encode() != nullptr; }

Status make_tensor_map(const TensorLayout& layout, const char* where, CUtensorMap* map) {
  if (!tensor_maps_available()) {
    return expected(ErrorCode::kUnsupported, "a driver with cuTensorMapEncodeTiled", where, "one without");
  }
  cuuint64_t sizes[TensorLayout::kMaxRank], strides[TensorLayout::kMaxRank];
  cuuint32_t box[TensorLayout::kMaxRank], steps[TensorLayout::kMaxRank];
  for (size_t i = 0; i < static_cast<size_t>(layout.rank); ++i) {
    sizes[i] = static_cast<cuuint64_t>(layout.sizes[i]);
    box[i] = static_cast<cuuint32_t>(layout.box[i]);
    steps[i] = 1;
    // The driver counts strides from the second dimension on, in bytes.
    if (i > 0) strides[i - 1] = static_cast<cuuint64_t>(layout.strides[i]) * dtype_size(layout.dtype);
  }
  const CUresult result =
      encode()(map, data_type(layout.dtype), static_cast<cuuint32_t>(layout.rank), const_cast<void*>(layout.data),
               sizes, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
               layout.swizzled ? CU_TENSOR_MAP_SWIZZLE_128B : CU_TENSOR_MAP_SWIZZLE_NONE,
               CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result == CUDA_SUCCESS) return Status();
  return expected(ErrorCode::kDevice, "a tensor map", where, "CUDA error " + std::to_string(result));
}

}  // namespace qavit::cuda::sm90
