#include "core/region.h"

#include <algorithm>

#include "core/shape.h"

namespace qavit {

namespace {

// Calls f(begin, end) for each maximal run of a view's elements, as far as its strides show them; stops when f returns
// false.
template <typename F>
bool for_each_run(const View& view, int64_t offset, F&& f) {
  const bool rows_joined = view.rows == 1 || view.row_stride == view.cols || view.row_stride == 0;
  const int64_t entry = (view.rows - 1) * view.row_stride + view.cols;
  const bool batches_same = view.batch == 1 || view.batch_stride == 0;
  if (rows_joined && (batches_same || view.batch_stride == entry)) {
    return f(offset, offset + (batches_same ? entry : entry * view.batch));
  }
  for (int64_t b = 0; b < (batches_same ? 1 : view.batch); ++b) {
    const int64_t base = offset + b * view.batch_stride;
    if (rows_joined) {
      if (!f(base, base + entry)) return false;
      continue;
    }
    for (int64_t r = 0; r < view.rows; ++r) {
      const int64_t begin = base + r * view.row_stride;
      if (!f(begin, begin + view.cols)) return false;
    }
  }
  return true;
}

}  // namespace

void WrittenRegion::add_run(int64_t begin, int64_t end) {
  auto next = runs_.upper_bound(begin);
  if (next != runs_.begin()) {
    const auto previous = std::prev(next);
    if (previous->second >= begin) {
      begin = previous->first;
      end = std::max(end, previous->second);
      next = runs_.erase(previous);
    }
  }
  while (next != runs_.end() && next->first <= end) {
    end = std::max(end, next->second);
    next = runs_.erase(next);
  }
  runs_.emplace(begin, end);
}

bool WrittenRegion::contains(int64_t begin, int64_t end) const {
  const auto next = runs_.upper_bound(begin);
  return next != runs_.begin() && std::prev(next)->second >= end;
}

void WrittenRegion::add(const View& view, int64_t offset) {
  const auto extent = checked_extent(view);
  if (extent && contains(offset, offset + *extent)) return;
  for_each_run(view, offset, [this](int64_t begin, int64_t end) {
    add_run(begin, end);
    return true;
  });
}

bool WrittenRegion::covers(const View& view, int64_t offset) const {
  const auto extent = checked_extent(view);
  if (extent && contains(offset, offset + *extent)) return true;
  return for_each_run(view, offset, [this](int64_t begin, int64_t end) { return contains(begin, end); });
}

bool may_overlap(const View& a, int64_t offset_a, const View& b, int64_t offset_b) {
  if (offset_a > offset_b) return may_overlap(b, offset_b, a, offset_a);
  const auto extent_a = checked_extent(a);
  if (extent_a && offset_a + *extent_a <= offset_b) return false;
  if (a.row_stride != b.row_stride || a.row_stride == 0) return true;
  if (a.batch_stride != b.batch_stride && a.batch > 1 && b.batch > 1) return true;
  const int64_t row = a.row_stride;
  const int64_t batch = a.batch > 1 ? a.batch_stride : b.batch > 1 ? b.batch_stride : 0;
  if (batch % row != 0) return true;
  // Both are sets of columns of one grid of rows `row` wide; apart if their columns are (no view may wrap around a
  // row's end).
  const int64_t column_a = offset_a % row;
  const int64_t column_b = offset_b % row;
  if (column_a + a.cols <= row && column_b + b.cols <= row) {
    if (column_a + a.cols <= column_b || column_b + b.cols <= column_a) return false;
  } else {
    return true;
  }
  // Columns meet: apart if their rows are. Row numbers within one batch entry, when entries are the same grid.
  if (batch == 0) {
    const int64_t first_a = offset_a / row;
    const int64_t first_b = offset_b / row;
    return first_a < first_b + b.rows && first_b < first_a + a.rows;
  }
  const int64_t first_a = offset_a % batch / row;
  const int64_t first_b = offset_b % batch / row;
  const int64_t height = batch / row;
  if (first_a + a.rows > height || first_b + b.rows > height) return true;
  return first_a < first_b + b.rows && first_b < first_a + a.rows;
}

}  // namespace qavit
