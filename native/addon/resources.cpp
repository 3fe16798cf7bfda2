#include "addon/resources.h"

namespace qavit::addon {

namespace {

Napi::Number number(Napi::Env env, size_t value) { return Napi::Number::New(env, static_cast<double>(value)); }

// DeviceTensor.dispose and its like.
template <typename T>
void dispose(const Napi::CallbackInfo& info) {
  const std::string where = std::string(T::kName).substr(2) + ".dispose";  // "a DeviceTensor"
  guard(info.Env(), where.c_str(), [&] { unwrap<T>(info.This(), "this of " + where).release(); });
}

}  // namespace

WeightResource::WeightResource(const std::shared_ptr<DeviceSession>& session, std::shared_ptr<Weight> weight)
    : DeviceResource(session), weight_(std::move(weight)) {
  account(weight_->bytes);
}

std::shared_ptr<const void> WeightResource::release() {
  unaccount();
  return std::exchange(weight_, nullptr);
}

Napi::Object WeightResource::create(const std::shared_ptr<DeviceSession>& session, std::shared_ptr<Weight> weight) {
  const Napi::Env env = session->env();
  const Weight& facts = *weight;
  const Napi::Object object = wrap(env, std::make_unique<WeightResource>(session, weight));
  set_constant(object, "role", Napi::String::New(env, role_name(facts.role)));
  set_constant(object, "dtype", Napi::String::New(env, dtype_name(facts.dtype)));
  set_constant(object, "shape", to_js(env, facts.shape));
  set_constant(object, "bytes", number(env, facts.bytes));
  set_constant(object, "dispose", Napi::Function::New<dispose<WeightResource>>(env, "dispose"));
  return object;
}

const std::shared_ptr<Weight>& WeightResource::weight(const std::string& where) const {
  if (!weight_) reject(ErrorCode::kArgument, "a Weight with contents", where, "one that was disposed");
  return weight_;
}

TensorResource::TensorResource(const std::shared_ptr<DeviceSession>& session, const PlanValue& value,
                               std::shared_ptr<Buffer> buffer)
    : DeviceResource(session), value_(value), buffer_(std::move(buffer)) {
  account(value_.bytes());
}

std::shared_ptr<const void> TensorResource::release() {
  unaccount();
  return std::exchange(buffer_, nullptr);
}

const std::shared_ptr<Buffer>& TensorResource::buffer(const std::string& where) const {
  if (!buffer_) reject(ErrorCode::kArgument, "a DeviceTensor with contents", where, "one that was disposed");
  return buffer_;
}

Napi::Object TensorResource::create(const std::shared_ptr<DeviceSession>& session, const PlanValue& value,
                                    std::shared_ptr<Buffer> buffer) {
  const Napi::Env env = session->env();
  const Napi::Object object = wrap(env, std::make_unique<TensorResource>(session, value, std::move(buffer)));
  set_constant(object, "dtype", Napi::String::New(env, dtype_name(value.dtype)));
  set_constant(object, "shape", to_js(env, Shape{value.batch, value.rows, value.cols}));
  set_constant(object, "bytes", number(env, value.bytes()));
  set_constant(object, "dispose", Napi::Function::New<dispose<TensorResource>>(env, "dispose"));
  return object;
}

const std::shared_ptr<const Plan>& PlanResource::plan(const std::string& where) const {
  if (!plan_) reject(ErrorCode::kArgument, "a Plan with contents", where, "one that was disposed");
  return plan_;
}

Napi::Object PlanResource::create(const std::shared_ptr<DeviceSession>& session, std::shared_ptr<const Plan> plan) {
  const Napi::Env env = session->env();
  const std::string name = plan->description().name;
  const size_t arena_bytes = plan->arena_bytes();
  const Napi::Object object = wrap(env, std::make_unique<PlanResource>(session, std::move(plan)));
  set_constant(object, "name", Napi::String::New(env, name));
  set_constant(object, "arenaBytes", number(env, arena_bytes));
  set_constant(object, "dispose", Napi::Function::New<dispose<PlanResource>>(env, "dispose"));
  return object;
}

}  // namespace qavit::addon
