#include "core/rules.h"

#include <cmath>

namespace qavit {

namespace {

std::string strides_of(const View& view) {
  return "strides " + std::to_string(view.batch_stride) + ", " + std::to_string(view.row_stride) + " over " +
         to_string(shape_of(view));
}

}  // namespace

void Rules::fail(ErrorCode code, const std::string& what, const std::string& actual) {
  if (ok()) status_ = expected(code, what, where_, actual);
}

void Rules::layout(const View& view, const char* name, Access access) {
  if (view.batch < 1 || view.rows < 1 || view.cols < 1) {
    return fail(ErrorCode::kShape, std::string(name) + " with dimensions >= 1", to_string(shape_of(view)));
  }
  // A broadcast view can have a small extent and still more elements than an int64 counts.
  if (!checked_extent(view) || !checked_elements(shape_of(view), view.dtype)) {
    return fail(ErrorCode::kShape, std::string(name) + " with strides >= 0 that can be addressed", strides_of(view));
  }
  if (access == Access::kRead) return;
  const bool rows_apart = view.rows == 1 || view.row_stride >= view.cols;
  const int64_t entry = (view.rows - 1) * view.row_stride + view.cols;
  const bool batches_apart = view.batch == 1 || view.batch_stride >= entry;
  if (!rows_apart || !batches_apart) {
    fail(ErrorCode::kShape, "output " + std::string(name) + " whose rows do not overlap", strides_of(view));
  }
}

void Rules::role(const Weight* weight, const char* name, WeightRole role) {
  if (weight->role != role) {
    fail(ErrorCode::kArgument, std::string("a ") + role_name(role) + " as " + name,
         std::string("a ") + role_name(weight->role));
  }
}

void Rules::shape(const View& view, const char* name, const Shape& wanted) {
  if (shape_of(view) != wanted) fail(ErrorCode::kShape, name + (" " + to_string(wanted)), to_string(shape_of(view)));
}

void Rules::shape(const Weight* weight, const char* name, const Shape& wanted) {
  if (weight != nullptr && weight->shape != wanted) {
    fail(ErrorCode::kShape, name + (" " + to_string(wanted)), to_string(weight->shape));
  }
}

void Rules::float_dtype(const View& view, const char* name) {
  if (!view.present()) return;
  if (view.dtype != DType::kF32 && view.dtype != DType::kBF16 && view.dtype != DType::kF16) {
    fail(ErrorCode::kDType, std::string(name) + " in f32, bf16 or f16", dtype_name(view.dtype));
  }
}

void Rules::dtype(const View& view, const char* name, DType wanted) {
  if (view.present() && view.dtype != wanted) {
    fail(ErrorCode::kDType, std::string(name) + " in " + dtype_name(wanted), dtype_name(view.dtype));
  }
}

void Rules::dtype(const Weight* weight, const char* name, DType wanted) {
  if (weight != nullptr && weight->dtype != wanted) {
    fail(ErrorCode::kDType, std::string(name) + " in " + dtype_name(wanted), dtype_name(weight->dtype));
  }
}

void Rules::product_dtype(const Weight* weight, const char* name, DType x) {
  if (weight->dtype == x || weight->dtype == DType::kInt8) return;
  fail(ErrorCode::kDType, std::string(name) + " in " + dtype_name(x) + " or int8", dtype_name(weight->dtype));
}

void Rules::finite(float value, const char* name) {
  if (!std::isfinite(value)) fail(ErrorCode::kArgument, std::string("a finite ") + name, std::to_string(value));
}

void Rules::indices(const View& view, const char* name, int64_t count) {
  if (!view.present()) return;
  shape(view, name, {1, 1, count});
  dtype(view, name, DType::kI32);
}

}  // namespace qavit
