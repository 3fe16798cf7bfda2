// The loop of operations that treat each row by itself.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/rounding.h"
#include "cpu/thread_pool.h"

namespace qavit::cpu {

// Calls f(begin, end) for runs of rows that make up [0, rows), on all threads. A run is about `elements` of rows that
// are `width` wide: so many that handing out tasks costs nothing beside the work.
template <typename F>
void parallel_rows(ThreadPool& pool, int64_t rows, int64_t width, int64_t elements, F&& f) {
  const int64_t rows_a_task = std::max<int64_t>(1, elements / width);
  pool.parallel_for(ceil_div(rows, rows_a_task), [&](int64_t task, int) {
    const int64_t begin = task * rows_a_task;
    f(begin, std::min(rows, begin + rows_a_task));
  });
}

}  // namespace qavit::cpu
