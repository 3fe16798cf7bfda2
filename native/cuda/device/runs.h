// Whether an operand can be moved in runs (runs.cuh): plain arithmetic, on the host.
#pragma once

#include <cstdint>

#include "core/view.h"

namespace qavit::cuda {

// Elements that are moved together where alignment allows it: 16 bytes of bf16 or f16, twice 16 of f32.
constexpr int kRun = 8;

// Whether every run of `n` elements from column n * i of any row on is aligned as a Pack wants it.
inline bool moves_in_runs(const View& view, int64_t n) {
  const auto bytes = static_cast<uintptr_t>(n) * dtype_size(view.dtype);
  return reinterpret_cast<uintptr_t>(view.data) % (bytes < 16 ? bytes : 16) == 0 &&
         (view.rows == 1 || view.row_stride % n == 0) && (view.batch == 1 || view.batch_stride % n == 0);
}

}  // namespace qavit::cuda
