#include "cpu/cpu_backend.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <new>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

#include "core/visit.h"
#include "cpu/available_cores.h"
#include "cpu/context.h"
#include "cpu/isa.h"
#include "cpu/operations.h"
#include "cpu/packed_weight.h"

namespace qavit::cpu {

namespace {

struct CpuBuffer : Buffer {
  AlignedMemory memory;
};

class CpuBackend final : public Backend {
 public:
  CpuBackend(Isa isa, int threads) : isa_(isa), context_(kernels_of(isa), threads) {}

  DeviceInfo info() const override {
    DeviceInfo info;
    info.kind = "cpu";
    info.name = processor_name();
    info.isa = isa_name(isa_);
    info.threads = context_.pool.size();
    if (context_.kernels.bf16_attention) {
      info.dtypes = {DType::kBF16, DType::kF32, DType::kInt8};
    } else {
      info.dtypes = {DType::kF32, DType::kBF16, DType::kInt8};
    }
    return info;
  }

  size_t scratch_bytes() const override { return context_.scratch_bytes(); }

  Status upload(const WeightSource& source, std::shared_ptr<Weight>* weight) override {
    QAVIT_RETURN_IF_ERROR(upload_weight(context_, source, weight));
    joining_.push_back({std::static_pointer_cast<PackedWeight>(*weight), 0});
    return Status();
  }

  Status allocate(size_t bytes, std::shared_ptr<Buffer>* buffer) override {
    std::shared_ptr<CpuBuffer> made(new (std::nothrow) CpuBuffer);
    if (made == nullptr)
      return expected(ErrorCode::kOutOfMemory, "memory", "working memory", "none from the allocator");
    QAVIT_RETURN_IF_ERROR(made->memory.reserve(std::max<size_t>(bytes, 1), "working memory"));
    made->data = made->memory.data();
    made->bytes = bytes;
    *buffer = std::move(made);
    return Status();
  }

  Status copy_in(const void* host, void* device, size_t bytes) override {
    if (bytes > 0) std::memcpy(device, host, bytes);
    return Status();
  }

  Status copy_out(const void* device, size_t bytes, const Take& take) override {
    if (bytes > 0) take(static_cast<const char*>(device), 0, bytes);
    return Status();
  }

  Status supports(const OpParams& params) const override {
    return std::visit(
        [&](const auto& p) {
          QAVIT_RETURN_IF_ERROR(supports_dtypes(p, p.kName));
          return supports_heads(p, p.kName);
        },
        params);
  }

  Status run(const OpParams& params) override {
    return std::visit([&](const auto& p) { return cpu::run(context_, p); }, params);
  }

  bool idle() override {
    if (joining_.empty()) return false;
    Joining& next = joining_.front();
    const std::shared_ptr<PackedWeight> weight = next.weight.lock();
    if (weight == nullptr || !weight->memory.join(&next.from)) joining_.pop_front();
    return !joining_.empty();
  }

 private:
  template <typename Params>
  static Status supports_dtypes(const Params& p, const char* where) {
    Status status;
    for_each_view(p, [&](const View& view, const char* name, Access, bool) {
      if (view.present() && view.dtype == DType::kF16 && status.ok()) {
        status = expected(ErrorCode::kDType, std::string(name) + " in f32 or bf16", where, dtype_name(view.dtype));
      }
    });
    return status;
  }

  template <typename Params>
  static Status supports_heads(const Params& p, const char* where) {
    if constexpr (requires { p.heads; }) {
      const int64_t width = p.q.cols / p.heads;
      if (width > kMaxHeadWidth) {
        return expected(ErrorCode::kUnsupported, "heads of width 1 to " + std::to_string(kMaxHeadWidth), where,
                        std::to_string(width));
      }
    }
    return Status();
  }

  // A weight whose pages are yet to be joined, and the byte from which on.
  struct Joining {
    std::weak_ptr<PackedWeight> weight;
    size_t from = 0;
  };

  const Isa isa_;
  Context context_;
  std::deque<Joining> joining_;
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(const CpuOptions& options, Status* status) {
  Isa isa;
  *status = choose_isa(options.isa, &isa);
  if (!status->ok()) return nullptr;
  if (options.threads < 0 || options.threads > kMaxThreads) {
    *status = expected(ErrorCode::kArgument, "1 to " + std::to_string(kMaxThreads) + " threads", "the CPU device",
                       std::to_string(options.threads));
    return nullptr;
  }
  const int threads = options.threads > 0 ? options.threads : std::min(available_cores(), kMaxThreads);
  try {
    return std::make_unique<CpuBackend>(isa, threads);
  } catch (const std::system_error& error) {
    *status = expected(ErrorCode::kOutOfMemory, std::to_string(threads) + " threads", "the CPU device", error.what());
  } catch (const std::bad_alloc&) {
    *status = expected(ErrorCode::kOutOfMemory, "memory", "the CPU device", "none");
  }
  return nullptr;
}

std::vector<std::string> supported_isas() {
  std::vector<std::string> names;
  for (const Isa isa : available_isas()) names.emplace_back(isa_name(isa));
  return names;
}

}  // namespace qavit::cpu
