#include "reference/reference_backend.h"

#include <cstring>

#include "core/host_buffer.h"
#include "core/int8.h"
#include "core/shape.h"
#include "reference/elements.h"
#include "reference/operations.h"

namespace qavit::reference {

namespace {

float rounded_to(DType dtype, float value) {
  if (dtype == DType::kBF16) return bf16_to_f32(f32_to_bf16(value));
  if (dtype == DType::kF16) return f16_to_f32(f32_to_f16(value));
  return value;
}

void quantize(const WeightSource& source, DenseWeight* weight) {
  const auto [groups, out, in] = source.shape;
  for (int64_t channel = 0; channel < groups * out; ++channel) {
    const auto append = [&](int64_t, int8_t level) { weight->values.push_back(level); };
    weight->scales.push_back(quantize_channel(source, channel * in, in, append).scale);
  }
}

struct Run {
  void operator()(const PatchEmbedParams& p) const { patch_embed(p); }
  void operator()(const LayerNormParams& p) const { layer_norm(p); }
  void operator()(const RmsNormParams& p) const { rms_norm(p); }
  void operator()(const LinearParams& p) const { linear(p); }
  void operator()(const ConcatAttentionParams& p) const { concat_attention(p); }
  void operator()(const AttentionParams& p) const { attention(p); }
  void operator()(const RotaryEmbedParams& p) const { rotary_embed(p); }
  void operator()(const QuestionAttentionParams& p) const { question_attention(p); }
  void operator()(const GatedProjectionParams& p) const { gated_projection(p); }
  void operator()(const GatedActivationParams& p) const { gated_activation(p); }
  void operator()(const MeanRowsParams& p) const { mean_rows(p); }
  void operator()(const GatherRowsParams& p) const { gather_rows(p); }
  void operator()(const AppendRowsParams& p) const { append_rows(p); }
  void operator()(const CopyParams& p) const { copy(p); }
};

class ReferenceBackend : public Backend {
 public:
  DeviceInfo info() const override {
    return {"reference", "reference", "", 1, {DType::kF32, DType::kBF16, DType::kF16, DType::kInt8}};
  }

  Status upload(const WeightSource& source, std::shared_ptr<Weight>* weight) override {
    const bool vector = source.role == WeightRole::kVector;
    const DType dtype = vector ? DType::kF32 : source.compute_dtype;
    auto made = std::make_shared<DenseWeight>();
    const int64_t elements = checked_elements(source.shape, DType::kF32).value_or(0);
    made->values.reserve(static_cast<size_t>(elements));
    if (dtype == DType::kInt8) {
      quantize(source, made.get());
    } else {
      for (int64_t i = 0; i < elements; ++i) made->values.push_back(rounded_to(dtype, read_element(source, i)));
    }
    made->role = source.role;
    made->dtype = dtype;
    made->shape = source.shape;
    made->bytes = (made->values.size() + made->scales.size()) * sizeof(float);
    *weight = std::move(made);
    return Status();
  }

  Status allocate(size_t bytes, std::shared_ptr<Buffer>* buffer) override {
    return allocate_host_buffer(bytes, buffer);
  }

  Status copy_in(const void* host, void* device, size_t bytes) override {
    std::memcpy(device, host, bytes);
    return Status();
  }

  Status copy_out(const void* device, size_t bytes, const Take& take) override {
    if (bytes > 0) take(static_cast<const char*>(device), 0, bytes);
    return Status();
  }

  Status supports(const OpParams&) const override { return Status(); }

  Status run(const OpParams& params) override {
    std::visit(Run{}, params);
    return Status();
  }
};

}  // namespace

std::unique_ptr<Backend> make_reference_backend() { return std::make_unique<ReferenceBackend>(); }

}  // namespace qavit::reference
