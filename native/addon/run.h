// Device.run and Device.read: plans and tensor contents.
#pragma once

#include <napi.h>

#include <memory>

#include "addon/device_session.h"

namespace qavit::addon {

// The promise of a plan's outputs: fresh arrays, or DeviceTensors where options.keep says so.
Napi::Value run(const std::shared_ptr<DeviceSession>& session, Napi::Value plan, Napi::Value inputs,
                Napi::Value options);

// The promise of a copy of a tensor's contents.
Napi::Value read(const std::shared_ptr<DeviceSession>& session, Napi::Value tensor);

}  // namespace qavit::addon
