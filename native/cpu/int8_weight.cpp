#include "cpu/int8_weight.h"

#include <algorithm>
#include <cstring>

#include "core/int8.h"

namespace qavit::cpu {

namespace {

constexpr int64_t kPerUnit = 4;

// Where element i of a unit lies in its four bytes. A multiplier of 16-bit pairs takes elements 0 and 1 from the even
// bytes and 2 and 3 from the odd ones: both are one shift away from sign-extended.
constexpr int kPaired[kPerUnit] = {0, 2, 1, 3};

// One panel: `valid` channels of `in` elements, the first of which begins at element `first` of the source.
void pack_panel(const KernelTable& kernels, const WeightSource& source, int64_t first, int valid, int8_t* panel) {
  const int64_t in = source.shape[2], units = (in + kPerUnit - 1) / kPerUnit, columns = kernels.columns;
  const size_t bytes = static_cast<size_t>(units * columns * kPerUnit);
  float* scales = static_cast<float*>(static_cast<void*>(panel + bytes));
  auto* sums = static_cast<int32_t*>(static_cast<void*>(scales + columns));
  std::memset(panel, 0, bytes + static_cast<size_t>(columns) * (sizeof *scales + sizeof *sums));
  const bool paired = kernels.int8_row_words == 2;
  for (int column = 0; column < valid; ++column) {
    int32_t sum = 0;
    const auto store = [&](int64_t i, int8_t level) {
      const int64_t unit = i / kPerUnit, element = i % kPerUnit;
      panel[(unit * columns + column) * kPerUnit + (paired ? kPaired[element] : element)] = level;
      sum += level;
    };
    scales[column] = quantize_channel(source, first + column * in, in, store).scale;
    sums[column] = sum;
  }
}

}  // namespace

Status pack_int8_matrix(Context& context, const WeightSource& source, PackedWeight* w) {
  const KernelTable& kernels = context.kernels;
  const auto [groups, out, in] = source.shape;
  w->units = (in + kPerUnit - 1) / kPerUnit;
  w->row_floats = w->units * kernels.int8_row_words + 2;  // scale and zero
  w->panels = (out + kernels.columns - 1) / kernels.columns;
  w->panel_bytes = static_cast<size_t>((w->units + 2) * kernels.columns) * kPerUnit;  // scales and sums
  w->bytes = static_cast<size_t>(groups * w->panels) * w->panel_bytes;
  QAVIT_RETURN_IF_ERROR(w->memory.reserve(w->bytes, "a weight"));
  context.pool.parallel_for(groups * w->panels, [&, out = out, in = in](int64_t task, int) {
    const int64_t group = task / w->panels, first = task % w->panels * kernels.columns;
    const auto valid = static_cast<int>(std::min<int64_t>(out - first, kernels.columns));
    auto* panel = static_cast<int8_t*>(w->memory.data()) + static_cast<size_t>(task) * w->panel_bytes;
    pack_panel(kernels, source, (group * out + first) * in, valid, panel);
  });
  return Status();
}

}  // namespace qavit::cpu
