#include "addon/upload.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "addon/abort_flag.h"
#include "addon/file_regions.h"
#include "addon/resources.h"
#include "core/memory_limit.h"
#include "core/validate.h"

namespace qavit::addon {

namespace {

constexpr uint32_t kMaxItems = 1u << 16;

struct Item {
  std::string where;                  // "items[3] of Device.upload"
  WeightSource source;                // data is set when the item is packed
  std::optional<FileRegions> stored;  // absent = `bytes`
  std::vector<uint8_t> bytes;
};

class UploadJob : public DeviceJob {
 public:
  explicit UploadJob(std::vector<Item> items) : items_(std::move(items)) { where = "Device.upload"; }

  Status run(const AbortToken& token) override {
    // One block for all parameters read from files, and no more than the largest of them.
    size_t largest = 0;
    for (const Item& item : items_) largest = std::max(largest, item.stored ? item.stored->scratch_bytes() : 0);
    QAVIT_RETURN_IF_ERROR(check_host_memory(largest, where));
    const auto scratch = std::make_unique_for_overwrite<uint8_t[]>(largest);
    for (Item& item : items_) {
      if (token.aborted()) return expected(ErrorCode::kAborted, "completion", item.where, token.reason());
      item.source.data = item.bytes.data();
      if (item.stored) QAVIT_RETURN_IF_ERROR(item.stored->load(scratch.get(), &item.source));
      QAVIT_RETURN_IF_ERROR(pack(item));
      item.bytes = {};
      item.stored.reset();
    }
    return Status();
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Array handles = Napi::Array::New(env, weights_.size());
    for (size_t i = 0; i < weights_.size(); ++i) {
      handles[static_cast<uint32_t>(i)] = WeightResource::create(session, std::move(weights_[i]));
    }
    return handles;
  }

 private:
  Status pack(const Item& item) {
    std::shared_ptr<Weight> weight;
    const Status packed = session->queue_backend().upload(item.source, &weight);
    if (!packed.ok()) return Status(packed.code(), packed.message() + " (" + item.where + ")");
    // Counted for as long as anything, a plan too, holds it. The deleter keeps the backend whose memory it is.
    const auto counters = session->shared_counters();
    Weight* const raw = weight.get();
    counters->weight_bytes += raw->bytes;
    const auto forget = [weight = std::move(weight), backend = session->shared_backend(), counters](Weight*) mutable {
      counters->weight_bytes -= weight->bytes;
      weight.reset();
    };
    weights_.push_back(std::shared_ptr<Weight>(raw, forget));
    return Status();
  }

  std::vector<Item> items_;
  std::vector<std::shared_ptr<Weight>> weights_;
};

void check_compute_dtype(const Backend& backend, const Item& item) {
  const std::vector<DType> dtypes = backend.info().dtypes;
  if (item.source.role == WeightRole::kVector) return;
  if (std::find(dtypes.begin(), dtypes.end(), item.source.compute_dtype) != dtypes.end()) return;
  reject(ErrorCode::kDType, "one of " + listed(dtypes, dtype_name), "computeDtype of " + item.where,
         dtype_name(item.source.compute_dtype));
}

Item read_item(const Backend& backend, Napi::Value value, const std::string& where) {
  const Napi::Object object = read_object(value, where);
  only_keys(object, {"source", "dtype", "shape", "role", "computeDtype"}, where);
  Item item;
  item.where = where;
  item.source.dtype = read_dtype(object.Get("dtype"), "dtype of " + where);
  item.source.shape = read_shape(object.Get("shape"), "shape of " + where);
  item.source.role = read_choice<WeightRole>(object.Get("role"), "role of " + where, kRoleNames);
  item.source.compute_dtype = read_compute_dtype(object.Get("computeDtype"), "computeDtype of " + where);
  check(validate(item.source, where));
  check_compute_dtype(backend, item);

  const int64_t elements = checked_elements(item.source.shape, item.source.dtype).value();
  const Napi::Value source = object.Get("source");
  if (source.IsArray()) {
    item.stored = FileRegions::read(source, item.source.dtype, elements, "source of " + where);
  } else {
    item.bytes = copy_elements(source, item.source.dtype, elements, "source of " + where);
  }
  return item;
}

}  // namespace

Napi::Value upload(const std::shared_ptr<DeviceSession>& session, Napi::Value items, Napi::Value abort) {
  session->check_open("Device.upload");
  const Napi::Array array = read_array(items, "items of Device.upload", kMaxItems);
  std::vector<Item> read;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    read.push_back(read_item(session->backend(), array[i], "items[" + std::to_string(i) + "] of Device.upload"));
  }
  auto job = std::make_unique<UploadJob>(std::move(read));
  job->abort = read_abort(abort, "abort of Device.upload");
  return session->submit(std::move(job));
}

}  // namespace qavit::addon
