// Turns the PlanDescription of lib/binding/native.ts into core's, with every field checked.
#pragma once

#include <napi.h>

#include <memory>

#include "addon/device_session.h"
#include "core/plan.h"

namespace qavit::addon {

// `description` and `weights` are the arguments of Device.compile.
PlanDescription read_plan(const std::shared_ptr<DeviceSession>& session, Napi::Value description, Napi::Value weights);

}  // namespace qavit::addon
