#include "addon/run.h"

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "addon/abort_flag.h"
#include "addon/resources.h"
#include "core/shape.h"

namespace qavit::addon {

namespace {

// How a result comes back.
enum class Form { kArray, kSamples, kTensor };

constexpr Named<Form> kFormNames[] = {{Form::kArray, "array"}, {Form::kSamples, "samples"}, {Form::kTensor, "tensor"}};

// Results are arrays made before the job runs and filled while it does: nobody else can see them until the promise
// resolves, and the reference keeps them alive until then.
class RunJob : public DeviceJob {
 public:
  RunJob(Napi::Env env, std::shared_ptr<const Plan> plan, std::vector<PlanInput> inputs)
      : plan_(std::move(plan)), inputs_(std::move(inputs)) {
    const PlanDescription& description = plan_->description();
    where = "plan " + description.name;
    results_ = Napi::Persistent(Napi::Object(Napi::Array::New(env, description.outputs.size())));
    outputs_.resize(description.outputs.size());
  }

  // Output i is to come back as an array, or as one a sample.
  void fetch(Napi::Env env, size_t i, Form form) {
    const PlanValue& value = output_value(i);
    const std::string name = "output " + std::to_string(i) + " of " + where;
    const bool apart = form == Form::kSamples;
    const int64_t count = apart ? value.batch : 1;
    const int64_t elements = value.elements() / count;
    Napi::Array arrays = Napi::Array::New(env, static_cast<size_t>(count));
    std::vector<void*> blocks(static_cast<size_t>(count));
    for (uint32_t sample = 0; sample < blocks.size(); ++sample)
      arrays[sample] = make_array(env, value.dtype, elements, name, &blocks[sample]);
    outputs_[i].host.emplace(std::move(blocks), value.dtype, elements, apart);
    results_.Set(static_cast<uint32_t>(i), apart ? samples_of(env, arrays) : Napi::Value(arrays[uint32_t{0}]));
  }

  Status run(const AbortToken& token) override {
    return session->queue_executor().start(*plan_, inputs_, &outputs_, token, &run_);
  }

  Status finish() override { return session->queue_executor().finish(&run_); }

  Napi::Value result(Napi::Env env) override {
    for (uint32_t i = 0; i < outputs_.size(); ++i) {
      PlanOutput& output = outputs_[i];
      if (output.device)
        results_.Set(i, TensorResource::create(session, output_value(i), std::move(output.device)));
      else if (!output.host->non_finite().empty())
        results_.Get(i).As<Napi::Object>().Set("nonFinite", to_js(env, output.host->non_finite()));
    }
    return results_.Value();
  }

 private:
  // { arrays, nonFinite }, the latter yet to come
  static Napi::Value samples_of(Napi::Env env, const Napi::Array& arrays) {
    Napi::Object samples = Napi::Object::New(env);
    samples.Set("arrays", arrays);
    return samples;
  }

  const PlanValue& output_value(size_t i) const {
    const PlanDescription& description = plan_->description();
    return description.values[static_cast<size_t>(description.outputs[i])];
  }

  const std::shared_ptr<const Plan> plan_;
  const std::vector<PlanInput> inputs_;
  std::vector<PlanOutput> outputs_;
  PlanRun run_;
  Napi::ObjectReference results_;
};

class ReadJob : public DeviceJob {
 public:
  ReadJob(Napi::Env env, const PlanValue& value, std::shared_ptr<Buffer> buffer)
      : buffer_(std::move(buffer)), bytes_(value.bytes()) {
    where = "Device.read";
    array_ = Napi::Persistent(make_array(env, value.dtype, value.elements(), where, &host_).As<Napi::Object>());
  }

  Status run(const AbortToken&) override { return session->queue_backend().mark(&written_); }

  Status finish() override {
    if (written_ != nullptr) QAVIT_RETURN_IF_ERROR(written_->wait());
    return session->queue_backend().copy_out(buffer_->data, bytes_,
                                             [this](const char* from, size_t offset, size_t count) {
                                               std::memcpy(static_cast<char*>(host_) + offset, from, count);
                                             });
  }

  Napi::Value result(Napi::Env) override { return array_.Value(); }

 private:
  const std::shared_ptr<Buffer> buffer_;
  const size_t bytes_;
  std::unique_ptr<Completion> written_;
  void* host_ = nullptr;
  Napi::ObjectReference array_;
};

class WriteJob : public DeviceJob {
 public:
  WriteJob(const PlanValue& value, std::vector<uint8_t> bytes) : value_(value), bytes_(std::move(bytes)) {
    where = "Device.write";
  }

  Status run(const AbortToken&) override {
    QAVIT_RETURN_IF_ERROR(session->queue_executor().allocate_tensor(bytes_.size(), &buffer_));
    return session->queue_backend().copy_in(bytes_.data(), buffer_->data, bytes_.size());
  }

  Napi::Value result(Napi::Env) override { return TensorResource::create(session, value_, std::move(buffer_)); }

 private:
  const PlanValue value_;
  const std::vector<uint8_t> bytes_;
  std::shared_ptr<Buffer> buffer_;
};

PlanInput read_input(const std::shared_ptr<DeviceSession>& session, Napi::Value value, const PlanValue& wanted,
                     const std::string& where) {
  PlanInput input;
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&TensorResource::kTag)) {
    input.host = copy_elements(value, wanted.dtype, wanted.elements(), where);
    return input;
  }
  const TensorResource& tensor = unwrap_of<TensorResource>(session, value, where);
  const Shape wanted_shape = {wanted.batch, wanted.rows, wanted.cols};
  const Shape shape = {tensor.value().batch, tensor.value().rows, tensor.value().cols};
  if (tensor.value().dtype != wanted.dtype) {
    reject(ErrorCode::kDType, dtype_name(wanted.dtype), where, dtype_name(tensor.value().dtype));
  }
  if (shape != wanted_shape) reject(ErrorCode::kShape, to_string(wanted_shape), where, to_string(shape));
  input.device = tensor.buffer(where);
  return input;
}

std::vector<PlanInput> read_inputs(const std::shared_ptr<DeviceSession>& session, const PlanDescription& description,
                                   Napi::Value value) {
  const std::string where = "inputs of plan " + description.name;
  const size_t count = description.inputs.size();
  const Napi::Array array = read_array(value, where, UINT32_MAX);
  if (array.Length() != count) {
    reject(ErrorCode::kArgument, std::to_string(count) + " entries", where, std::to_string(array.Length()));
  }
  std::vector<PlanInput> inputs;
  for (uint32_t i = 0; i < count; ++i) {
    const PlanValue& wanted = description.values[static_cast<size_t>(description.inputs[i])];
    inputs.push_back(
        read_input(session, array[i], wanted, "input " + std::to_string(i) + " of plan " + description.name));
  }
  return inputs;
}

std::vector<Form> read_forms(Napi::Value value, const PlanDescription& description) {
  const size_t count = description.outputs.size();
  std::vector<Form> forms(count, Form::kArray);
  if (absent(value)) return forms;
  const std::string where = "results of plan " + description.name;
  const Napi::Array array = read_array(value, where, UINT32_MAX);
  if (array.Length() != count) {
    reject(ErrorCode::kArgument, std::to_string(count) + " entries", where, std::to_string(array.Length()));
  }
  for (uint32_t i = 0; i < count; ++i) {
    const std::string entry = "results[" + std::to_string(i) + "] of plan " + description.name;
    forms[i] = read_choice<Form>(array[i], entry, kFormNames);
  }
  return forms;
}

}  // namespace

Napi::Value run(const std::shared_ptr<DeviceSession>& session, Napi::Value plan_value, Napi::Value inputs,
                Napi::Value options) {
  session->check_open("Device.run");
  const Napi::Env env = session->env();
  const char* const where = "plan of Device.run";
  const std::shared_ptr<const Plan> plan = unwrap_of<PlanResource>(session, plan_value, where).plan(where);
  std::vector<Form> forms(plan->description().outputs.size(), Form::kArray);
  std::shared_ptr<const std::atomic<bool>> abort;
  if (!absent(options)) {
    const Napi::Object object = read_object(options, "options of Device.run");
    only_keys(object, {"results", "abort"}, "options of Device.run");
    forms = read_forms(object.Get("results"), plan->description());
    abort = read_abort(object.Get("abort"), "abort of Device.run");
  }
  auto job = std::make_unique<RunJob>(env, plan, read_inputs(session, plan->description(), inputs));
  job->abort = std::move(abort);
  for (size_t i = 0; i < forms.size(); ++i) {
    if (forms[i] != Form::kTensor) job->fetch(env, i, forms[i]);
  }
  return session->submit(std::move(job));
}

Napi::Value read(const std::shared_ptr<DeviceSession>& session, Napi::Value value) {
  session->check_open("Device.read");
  const TensorResource& tensor = unwrap_of<TensorResource>(session, value, "tensor of Device.read");
  return session->submit(
      std::make_unique<ReadJob>(session->env(), tensor.value(), tensor.buffer("tensor of Device.read")));
}

Napi::Value write(const std::shared_ptr<DeviceSession>& session, Napi::Value array, Napi::Value options) {
  session->check_open("Device.write");
  const Napi::Object object = read_object(options, "options of Device.write");
  only_keys(object, {"dtype", "shape"}, "options of Device.write");
  const DType dtype = read_dtype(object.Get("dtype"), "dtype of Device.write");
  const Shape shape = read_shape(object.Get("shape"), "shape of Device.write");
  const std::optional<int64_t> elements = checked_elements(shape, dtype);
  if (!elements) reject(ErrorCode::kShape, "a shape whose bytes can be counted", "Device.write", to_string(shape));
  const PlanValue value = {ValueKind::kInput, dtype, shape[0], shape[1], shape[2]};
  return session->submit(
      std::make_unique<WriteJob>(value, copy_elements(array, dtype, *elements, "array of Device.write")));
}

}  // namespace qavit::addon
