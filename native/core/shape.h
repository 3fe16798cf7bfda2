// Arithmetic on shapes that cannot overflow, and how shapes are spelled in messages.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "core/view.h"

namespace qavit {

using Shape = std::array<int64_t, 3>;

// Products and sums of non-negative numbers; nothing when the result does not fit.
std::optional<int64_t> checked_product(int64_t a, int64_t b);
std::optional<int64_t> checked_sum(int64_t a, int64_t b);

// Elements of a dense [a, b, c]; nothing when a dimension is below 1 or the bytes do not fit in an int64.
std::optional<int64_t> checked_elements(const Shape& shape, DType dtype);

// Elements from a view's first element to one past its last. Nothing when a dimension is below 1, a stride is negative
// or the bytes do not fit in an int64.
std::optional<int64_t> checked_extent(const View& view);

inline Shape shape_of(const View& view) { return {view.batch, view.rows, view.cols}; }

// "[1, 3072, 768]"
std::string to_string(const Shape& shape);

}  // namespace qavit
