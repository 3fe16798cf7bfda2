#include "cuda/rows/row_operands.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <string>

#include "core/shape.h"
#include "cuda/device/rounding.h"
#include "cuda/device/runs.h"

namespace qavit::cuda {

RowGrid row_grid(uint32_t rows, uint32_t steps) {
  const unsigned along = std::min<unsigned>(std::bit_ceil(steps), kRowThreads);
  const dim3 block(along, kRowThreads / along);
  return {dim3(ceil_div(rows, block.y)), block};
}

Status supports_rows(const View& view, const char* where) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max() - kRowThreads * kRun;
  if (view.batch * view.rows <= kMost && view.cols <= kMost) return Status();
  return expected(ErrorCode::kUnsupported, "at most " + std::to_string(kMost) + " rows and columns", where,
                  to_string(shape_of(view)));
}

}  // namespace qavit::cuda
