// Regions of a value: which elements a view touches, to refuse reads of what nobody wrote and outputs laid over inputs.
#pragma once

#include <cstdint>
#include <map>

#include "core/view.h"

namespace qavit {

// The elements of one value written so far, as disjoint runs. A dense view is one run; a column slice is a run a row,
// and runs melt together as slices complete a row, so that fully written values cost nothing.
class WrittenRegion {
 public:
  // A view of more separate rows than this is refused by Plan::compile: the bookkeeping is one node a row (about 50 MB
  // here), and a batch of real pictures has some ten thousand.
  static constexpr int64_t kMaxRuns = int64_t{1} << 20;

  void add(const View& view, int64_t offset);
  bool covers(const View& view, int64_t offset) const;
  bool covers_all(int64_t elements) const { return contains(0, elements); }

 private:
  void add_run(int64_t begin, int64_t end);
  bool contains(int64_t begin, int64_t end) const;

  std::map<int64_t, int64_t> runs_;  // begin -> end
};

// Whether two views of one value may share an element. Exact for views with equal strides (column and row slices of one
// value); otherwise it may err towards true.
bool may_overlap(const View& a, int64_t offset_a, const View& b, int64_t offset_b);

}  // namespace qavit
