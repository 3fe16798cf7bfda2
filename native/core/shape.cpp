#include "core/shape.h"

#include <limits>

namespace qavit {

std::optional<int64_t> checked_product(int64_t a, int64_t b) {
  if (a != 0 && b > std::numeric_limits<int64_t>::max() / a) return std::nullopt;
  return a * b;
}

std::optional<int64_t> checked_sum(int64_t a, int64_t b) {
  if (b > std::numeric_limits<int64_t>::max() - a) return std::nullopt;
  return a + b;
}

std::optional<int64_t> checked_elements(const Shape& shape, DType dtype) {
  int64_t elements = 1;
  for (const int64_t dimension : shape) {
    if (dimension < 1) return std::nullopt;
    const auto product = checked_product(elements, dimension);
    if (!product) return std::nullopt;
    elements = *product;
  }
  if (!checked_product(elements, static_cast<int64_t>(dtype_size(dtype)))) return std::nullopt;
  return elements;
}

std::optional<int64_t> checked_extent(const View& view) {
  if (view.batch < 1 || view.rows < 1 || view.cols < 1 || view.batch_stride < 0 || view.row_stride < 0)
    return std::nullopt;
  const auto batches = checked_product(view.batch - 1, view.batch_stride);
  const auto rows = checked_product(view.rows - 1, view.row_stride);
  if (!batches || !rows) return std::nullopt;
  const auto last_row = checked_sum(*batches, *rows);
  const auto extent = last_row ? checked_sum(*last_row, view.cols) : std::nullopt;
  if (!extent || !checked_product(*extent, static_cast<int64_t>(dtype_size(view.dtype)))) return std::nullopt;
  return extent;
}

std::string to_string(const Shape& shape) {
  return "[" + std::to_string(shape[0]) + ", " + std::to_string(shape[1]) + ", " + std::to_string(shape[2]) + "]";
}

}  // namespace qavit
