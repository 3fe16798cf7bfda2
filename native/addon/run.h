// Device.run, Device.read and Device.write: plans and tensor contents.
#pragma once

#include <napi.h>

#include <memory>

#include "addon/device_session.h"

namespace qavit::addon {

// The promise of a plan's outputs: fresh arrays, or DeviceTensors where options.results says so.
Napi::Value run(const std::shared_ptr<DeviceSession>& session, Napi::Value plan, Napi::Value inputs,
                Napi::Value options);

// The promise of a copy of a tensor's contents.
Napi::Value read(const std::shared_ptr<DeviceSession>& session, Napi::Value tensor);

// The promise of a tensor with a copy of the array's contents; options: dtype and shape.
Napi::Value write(const std::shared_ptr<DeviceSession>& session, Napi::Value array, Napi::Value options);

}  // namespace qavit::addon
