#include "cpu/packed_weight.h"

#include <algorithm>
#include <new>

#include "core/rounding.h"

namespace qavit::cpu {

namespace {

// What the inner dimension takes in a panel and in a tile; see kernels.h.
void lay_out(const KernelTable& kernels, int64_t in, PackedWeight* w) {
  const auto column_bytes = [&](size_t unit_bytes) {
    return static_cast<size_t>(w->units * kernels.columns) * unit_bytes;
  };
  switch (w->dtype) {
    case DType::kInt8:
      w->units = ceil_div(in, kInt8PerUnit);
      w->row_floats = w->units * kernels.int8_row_words + 2;  // scale and zero
      w->panel_bytes = column_bytes(kInt8PerUnit) + 2 * sizeof(float) * static_cast<size_t>(kernels.columns);
      break;
    case DType::kBF16:
      w->row_floats = w->units = ceil_div(in, kernels.bf16_per_unit);
      w->panel_bytes = column_bytes(kernels.bf16_unit_bytes);
      break;
    default:
      w->row_floats = w->units = in;
      w->panel_bytes = column_bytes(sizeof(float));
  }
}

Status pack_matrix(Context& context, const WeightSource& source, PackedWeight* w) {
  const KernelTable& kernels = context.kernels;
  const auto [groups, out, in] = source.shape;
  lay_out(kernels, in, w);
  w->panels = ceil_div(out, kernels.columns);
  w->bytes = static_cast<size_t>(groups * w->panels) * w->panel_bytes;
  QAVIT_RETURN_IF_ERROR(w->memory.reserve(w->bytes, "a weight", Pages::kLater));
  const size_t source_row = static_cast<size_t>(in) * dtype_size(source.dtype);
  context.pool.parallel_for(groups * w->panels, [&, out = out, in = in](int64_t task, int) {
    const int64_t group = task / w->panels, first = task % w->panels * kernels.columns;
    WeightPanel panel;
    panel.source = static_cast<const char*>(source.data) + static_cast<size_t>(group * out + first) * source_row;
    panel.source_dtype = source.dtype;
    panel.dtype = w->dtype;
    panel.in = in;
    panel.valid = static_cast<int>(std::min<int64_t>(out - first, kernels.columns));
    panel.out = static_cast<char*>(w->memory.data()) + static_cast<size_t>(task) * w->panel_bytes;
    kernels.pack_weight(panel);
  });
  return Status();
}

Status copy_vector(const WeightSource& source, int64_t padding, PackedWeight* w) {
  const int64_t n = source.shape[2];
  w->bytes = static_cast<size_t>(n + padding) * sizeof(float);
  QAVIT_RETURN_IF_ERROR(w->memory.reserve(w->bytes, "a weight", Pages::kLater));
  for (int64_t i = 0; i < n; ++i) w->memory.floats()[i] = read_element(source, i);
  std::fill_n(w->memory.floats() + n, padding, 0.0f);
  return Status();
}

Status copy_table(Context& context, const WeightSource& source, PackedWeight* w) {
  const int64_t rows = source.shape[1], cols = source.shape[2];
  w->bytes = static_cast<size_t>(rows * cols) * dtype_size(w->dtype);
  QAVIT_RETURN_IF_ERROR(w->memory.reserve(w->bytes, "a weight", Pages::kLater));
  context.pool.parallel_for(rows, [&](int64_t row, int) {
    for (int64_t i = row * cols; i < (row + 1) * cols; ++i) {
      const float value = read_element(source, i);
      if (w->dtype == DType::kF32) {
        w->memory.floats()[i] = value;
      } else {
        static_cast<uint16_t*>(w->memory.data())[i] = f32_to_bf16(value);
      }
    }
  });
  return Status();
}

}  // namespace

Status upload_weight(Context& context, const WeightSource& source, std::shared_ptr<Weight>* weight) {
  if (source.role != WeightRole::kVector && source.compute_dtype == DType::kF16) {
    return expected(ErrorCode::kDType, "f32, bf16 or int8", "a weight on the CPU", dtype_name(source.compute_dtype));
  }
  std::shared_ptr<PackedWeight> w(new (std::nothrow) PackedWeight);
  if (w == nullptr) return expected(ErrorCode::kOutOfMemory, "memory", "a weight", "none");
  w->role = source.role;
  w->dtype = source.role == WeightRole::kVector ? DType::kF32 : source.compute_dtype;
  w->shape = source.shape;
  switch (source.role) {
    case WeightRole::kMatrix:
      QAVIT_RETURN_IF_ERROR(pack_matrix(context, source, w.get()));
      break;
    case WeightRole::kVector:
      QAVIT_RETURN_IF_ERROR(copy_vector(source, context.kernels.columns, w.get()));
      break;
    case WeightRole::kTable:
      QAVIT_RETURN_IF_ERROR(copy_table(context, source, w.get()));
      break;
  }
  w->memory.settle();
  *weight = std::move(w);
  return Status();
}

}  // namespace qavit::cpu
