// What Weight, DeviceTensor and Plan handles hold. Constant facts (shape, bytes, ...) are properties of the JavaScript
// object; these classes own what the device gave.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "addon/device_session.h"
#include "addon/handles.h"
#include "core/plan.h"
#include "core/weight.h"

namespace qavit::addon {

class WeightResource : public DeviceResource {
 public:
  static constexpr napi_type_tag kTag = {0x8f1dd4a6b6f14c1eULL, 0x9b7a20c35d0e7701ULL};
  static constexpr const char* kName = "a Weight";

  // { role, dtype, shape, bytes, dispose() }
  static Napi::Object create(const std::shared_ptr<DeviceSession>& session, std::shared_ptr<Weight> weight);

  WeightResource(const std::shared_ptr<DeviceSession>& session, std::shared_ptr<Weight> weight);
  std::shared_ptr<const void> release() override;
  // Throws ERR_ARGUMENT after dispose().
  const std::shared_ptr<Weight>& weight(const std::string& where) const;

 private:
  std::shared_ptr<Weight> weight_;  // null once disposed or the device is closed
};

class TensorResource : public DeviceResource {
 public:
  static constexpr napi_type_tag kTag = {0x8f1dd4a6b6f14c1eULL, 0x9b7a20c35d0e7702ULL};
  static constexpr const char* kName = "a DeviceTensor";

  // { dtype, shape, bytes, dispose() }
  static Napi::Object create(const std::shared_ptr<DeviceSession>& session, const PlanValue& value,
                             std::shared_ptr<Buffer> buffer);

  TensorResource(const std::shared_ptr<DeviceSession>& session, const PlanValue& value, std::shared_ptr<Buffer> buffer);
  std::shared_ptr<const void> release() override;
  const PlanValue& value() const { return value_; }
  // Throws ERR_ARGUMENT after dispose().
  const std::shared_ptr<Buffer>& buffer(const std::string& where) const;

 private:
  const PlanValue value_;
  std::shared_ptr<Buffer> buffer_;  // null once disposed or the device is closed
};

class PlanResource : public DeviceResource {
 public:
  static constexpr napi_type_tag kTag = {0x8f1dd4a6b6f14c1eULL, 0x9b7a20c35d0e7703ULL};
  static constexpr const char* kName = "a Plan";

  // { name, arenaBytes, dispose() }
  static Napi::Object create(const std::shared_ptr<DeviceSession>& session, std::shared_ptr<const Plan> plan);

  PlanResource(const std::shared_ptr<DeviceSession>& session, std::shared_ptr<const Plan> plan)
      : DeviceResource(session), plan_(std::move(plan)) {}
  std::shared_ptr<const void> release() override { return std::exchange(plan_, nullptr); }
  // Throws ERR_ARGUMENT after dispose().
  const std::shared_ptr<const Plan>& plan(const std::string& where) const;

 private:
  std::shared_ptr<const Plan> plan_;  // null once disposed or the device is closed
};

// A handle of `session`'s device; ERR_ARGUMENT for one of another device.
template <typename T>
T& unwrap_of(const std::shared_ptr<DeviceSession>& session, Napi::Value value, const std::string& where) {
  T& resource = unwrap<T>(value, where);
  if (resource.session() != session)
    reject(ErrorCode::kArgument, std::string(T::kName) + " of this device", where, "one of another");
  return resource;
}

}  // namespace qavit::addon
