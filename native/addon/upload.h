// Device.upload: parameters from files and arrays to the device.
#pragma once

#include <napi.h>

#include <memory>

#include "addon/device_session.h"

namespace qavit::addon {

// The promise of Weight handles.
Napi::Value upload(const std::shared_ptr<DeviceSession>& session, Napi::Value items, Napi::Value abort);

}  // namespace qavit::addon
