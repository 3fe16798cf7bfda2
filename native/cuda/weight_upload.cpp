#include "cuda/weight_upload.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "cuda/device/rounding.h"
#include "cuda/weight.h"

namespace qavit::cuda {

namespace {

struct OwnedWeight : CudaWeight {
  DeviceMemory memory;
};

// Elements [first, first + count) of the source, in `dtype`.
void convert(const WeightSource& source, int64_t first, int64_t count, DType dtype, char* to) {
  if (source.dtype == dtype) {
    const size_t size = dtype_size(dtype);
    std::memcpy(to, static_cast<const char*>(source.data) + static_cast<size_t>(first) * size,
                static_cast<size_t>(count) * size);
    return;
  }
  const auto each = [&](auto* elements, auto rounded) {
    for (int64_t i = 0; i < count; ++i) elements[i] = rounded(read_element(source, first + i));
  };
  if (dtype == DType::kF32) {
    each(reinterpret_cast<float*>(to), [](float value) { return value; });
  } else if (dtype == DType::kBF16) {
    each(reinterpret_cast<uint16_t*>(to), f32_to_bf16);
  } else {
    each(reinterpret_cast<uint16_t*>(to), f32_to_f16);
  }
}

int64_t leading_of(const WeightSource& source) {
  const int64_t in = source.shape[2];
  if (source.role != WeightRole::kMatrix) return in;
  return round_up(in, kMatrixRowMultiple);
}

// Writes elements [first, first + count) of the padded rows.
void fill_rows(const WeightSource& source, const CudaWeight& weight, int64_t first, int64_t count, char* to) {
  const int64_t in = source.shape[2];
  const auto size = static_cast<int64_t>(dtype_size(weight.dtype));
  for (int64_t done = 0; done < count;) {
    const int64_t row = (first + done) / weight.leading, col = (first + done) % weight.leading;
    const int64_t length = std::min(weight.leading - col, count - done);
    const int64_t given = std::clamp<int64_t>(in - col, 0, length);
    if (given > 0) convert(source, row * in + col, given, weight.dtype, to + done * size);
    std::memset(to + (done + given) * size, 0, static_cast<size_t>((length - given) * size));
    done += length;
  }
}

}  // namespace

Status upload_weight(const std::shared_ptr<Context>& context, Uploads& uploads, const WeightSource& source,
                     std::shared_ptr<Weight>* weight) {
  std::shared_ptr<OwnedWeight> made(new (std::nothrow) OwnedWeight);
  if (made == nullptr) return expected(ErrorCode::kOutOfMemory, "memory", "a weight", "none");
  made->role = source.role;
  made->dtype = source.role == WeightRole::kVector ? DType::kF32 : source.compute_dtype;
  made->shape = source.shape;
  made->leading = leading_of(source);
  const size_t size = dtype_size(made->dtype);
  made->bytes = static_cast<size_t>(source.shape[0] * source.shape[1] * made->leading) * size;
  QAVIT_RETURN_IF_ERROR(made->memory.allocate(context, made->bytes, "a weight"));
  made->data = made->memory.data();
  const auto fill = [&](char* to, size_t offset, size_t count) {
    fill_rows(source, *made, static_cast<int64_t>(offset / size), static_cast<int64_t>(count / size), to);
  };
  QAVIT_RETURN_IF_ERROR(uploads.to_device(made->memory.data(), made->bytes, fill));
  *weight = std::move(made);
  return Status();
}

}  // namespace qavit::cuda
