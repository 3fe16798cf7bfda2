#include "cuda/cuda_backend.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "core/visit.h"
#include "cuda/context.h"
#include "cuda/devices.h"
#include "cuda/downloads.h"
#include "cuda/graphs.h"
#include "cuda/launch.h"
#include "cuda/linear/linear_norm.h"
#include "cuda/operations.h"
#include "cuda/run_timer.h"
#include "cuda/uploads.h"
#include "cuda/weight_upload.h"

namespace qavit::cuda {

namespace {

struct CudaBuffer : Buffer {
  DeviceMemory memory;
};

// Everything in bound operations that changes from run to run.
std::vector<const void*> addresses_of(const std::vector<OpParams>& ops, const void* workspace) {
  std::vector<const void*> addresses = {workspace};
  for (const OpParams& params : ops) {
    std::visit(
        [&](const auto& p) {
          for_each_view(p, [&](const View& view, const char*, Access, bool) { addresses.push_back(view.data); });
        },
        params);
  }
  return addresses;
}

// Everything enqueued on the stream so far.
class CudaCompletion : public Completion {
 public:
  CudaCompletion(std::shared_ptr<Context> context, std::unique_ptr<RunTimer::Lap> lap)
      : context_(std::move(context)), lap_(std::move(lap)) {}
  ~CudaCompletion() override {
    if (event_ != nullptr) (void)cudaEventDestroy(event_);
  }

  Status record() {
    QAVIT_RETURN_IF_ERROR(check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), kWhere));
    return check(cudaEventRecord(event_, context_->stream()), kWhere);
  }

  Status wait() override {
    QAVIT_RETURN_IF_ERROR(context_->enter());
    QAVIT_RETURN_IF_ERROR(context_->settle(check(cudaEventSynchronize(event_), kWhere), event_));
    return lap_ != nullptr ? context_->settle(lap_->add(), event_) : Status();
  }

 private:
  static constexpr const char* kWhere = "a plan";

  const std::shared_ptr<Context> context_;
  const std::unique_ptr<RunTimer::Lap> lap_;
  cudaEvent_t event_ = nullptr;
};

// Operations in their order, but for pairs that are one on a GPU, to visit(operation or pair, whether it is the first).
template <typename Visit>
Status for_each_step(const std::vector<OpParams>& ops, const Visit& visit) {
  for (size_t i = 0; i < ops.size(); ++i) {
    const bool first = i == 0;
    if (i + 1 < ops.size()) {
      if (const std::optional<LinearNorm> pair = join(ops[i], ops[i + 1])) {
        QAVIT_RETURN_IF_ERROR(visit(*pair, first));
        ++i;
        continue;
      }
    }
    QAVIT_RETURN_IF_ERROR(std::visit([&](const auto& p) { return visit(p, first); }, ops[i]));
  }
  return Status();
}

DeviceProperties without_overlap(DeviceProperties properties) {
  properties.overlap = false;
  return properties;
}

class CudaBackend final : public Backend {
 public:
  CudaBackend(std::shared_ptr<Context> context, const CudaOptions& options)
      : context_(std::move(context)),
        first_properties_(without_overlap(context_->properties())),
        uploads_(context_),
        downloads_(context_),
        graphs_(options.graphs),
        timer_(options.timing) {}

  // Members free what they hold on the GPU; the thread that closes a device never worked on it. Where nothing was ever
  // done they hold nothing, and cudaSetDevice() would make the context on the GPU that it names.
  ~CudaBackend() override {
    if (context_->opened()) (void)cudaSetDevice(context_->properties().ordinal);
  }

  DeviceInfo info() const override {
    DeviceInfo info;
    info.kind = "cuda";
    info.name = context_->name();
    info.ordinal = context_->properties().ordinal;
    info.dtypes = {DType::kBF16, DType::kF16, DType::kF32};
    return info;
  }

  std::optional<RunStatistics> statistics() const override {
    return RunStatistics{graphs_.launched(), graphs_.recorded(), graphs_.replayed(), timer_.milliseconds()};
  }

  size_t scratch_bytes() const override { return workspace_.bytes(); }

  Status upload(const WeightSource& source, std::shared_ptr<Weight>* weight) override {
    QAVIT_RETURN_IF_ERROR(context_->open());
    return upload_weight(context_, uploads_, source, weight);
  }

  Status allocate(size_t bytes, std::shared_ptr<Buffer>* buffer) override {
    std::shared_ptr<CudaBuffer> made(new (std::nothrow) CudaBuffer);
    if (made == nullptr)
      return expected(ErrorCode::kOutOfMemory, "memory", "working memory", "none from the allocator");
    QAVIT_RETURN_IF_ERROR(made->memory.allocate(context_, bytes, "working memory"));
    made->data = made->memory.data();
    made->bytes = bytes;
    *buffer = std::move(made);
    return Status();
  }

  Status copy_in(const void* host, void* device, size_t bytes) override {
    return uploads_.to_device(device, bytes, [&](char* to, size_t offset, size_t count) {
      std::memcpy(to, static_cast<const char*>(host) + offset, count);
    });
  }

  Status copy_out(const void* device, size_t bytes, const Take& take) override {
    return downloads_.to_host(device, bytes, take);
  }

  bool runs_ahead() const override { return true; }

  Status mark(std::unique_ptr<Completion>* completion) override {
    QAVIT_RETURN_IF_ERROR(context_->open());
    auto made = std::make_unique<CudaCompletion>(context_, timer_.take());
    QAVIT_RETURN_IF_ERROR(context_->settle(made->record(), context_->stream()));
    *completion = std::move(made);
    return Status();
  }

  Status supports(const OpParams& params) const override {
    QAVIT_RETURN_IF_ERROR(check_not_lost(context_->properties().ordinal));
    return std::visit([&](const auto& p) { return cuda::supports(context_->properties(), p); }, params);
  }

  Status run(const OpParams& params) override {
    QAVIT_RETURN_IF_ERROR(context_->open());
    QAVIT_RETURN_IF_ERROR(reserve_workspace({params}));
    const Status enqueued =
        std::visit([&](const auto& p) { return cuda::run(launch_with(context_->properties()), p); }, params);
    QAVIT_RETURN_IF_ERROR(context_->settle(enqueued, context_->stream()));
    return context_->synchronize(op_name(params));
  }

  Status run_all(const std::vector<OpParams>& ops, const AbortToken& abort, uint64_t plan_key) override {
    QAVIT_RETURN_IF_ERROR(context_->open());
    std::vector<const void*> addresses = addresses_of(ops, workspace_.data());
    // Addresses that came before came with this very workspace, which sufficed. To find out again what 200 operations
    // want would cost 30 us, in which the GPU has nothing to do.
    if (!graphs_.knows(plan_key, addresses)) {
      QAVIT_RETURN_IF_ERROR(reserve_workspace(ops));
      addresses.front() = workspace_.data();
    }
    if (abort.aborted()) return expected(ErrorCode::kAborted, "completion", "a plan", abort.reason());
    const auto enqueue_all = [&](bool recording) {
      return for_each_step(ops, [&](const auto& params, bool first) {
        if (!recording && abort.aborted()) return expected(ErrorCode::kAborted, "completion", "a plan", abort.reason());
        // A graph has nothing before its first kernels that they could overlap.
        return cuda::run(launch_with(first ? first_properties_ : context_->properties()), params);
      });
    };
    const cudaStream_t stream = context_->stream();
    QAVIT_RETURN_IF_ERROR(context_->settle(timer_.start(stream), stream));
    const Status enqueued = context_->settle(
        graphs_.run(stream, context_->capture_mutex(), plan_key, std::move(addresses), enqueue_all), stream);
    const Status stopped = context_->settle(timer_.stop(stream), stream);
    return enqueued.ok() ? stopped : enqueued;
  }

 private:
  Launch launch_with(const DeviceProperties& properties) const {
    return {properties, context_->stream(), workspace_.data(), workspace_.bytes()};
  }

  // One block for all operations, as large as the hungriest: they follow each other on the stream.
  Status reserve_workspace(const std::vector<OpParams>& ops) {
    size_t wanted = 0;
    (void)for_each_step(ops, [&](const auto& params, bool) {
      wanted = std::max(wanted, workspace_bytes(context_->properties(), params));
      return Status();
    });
    if (wanted <= workspace_.bytes()) return Status();
    return workspace_.allocate(context_, wanted, "the operations' workspace");
  }

  const std::shared_ptr<Context> context_;
  const DeviceProperties first_properties_;  // of a plan's first operation
  Uploads uploads_;
  Downloads downloads_;
  DeviceMemory workspace_;
  GraphCache graphs_;
  RunTimer timer_;
};

}  // namespace

std::unique_ptr<Backend> make_cuda_backend(const CudaOptions& options, Status* status) {
  DeviceProperties properties;
  std::string name;
  *status = describe_device(options.ordinal, &properties, &name);
  if (status->ok()) *status = check_not_lost(options.ordinal);
  if (!status->ok()) return nullptr;
  return std::make_unique<CudaBackend>(std::make_shared<Context>(properties, std::move(name)), options);
}

}  // namespace qavit::cuda
