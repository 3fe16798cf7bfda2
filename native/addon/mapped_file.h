// MappedFile: the JavaScript class over core's.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "core/mapped_file.h"

namespace qavit::addon {

// Defines the class on `exports`.
void define_mapped_file(Napi::Env env, Napi::Object exports);

// The file behind it. Throws ERR_ARGUMENT when it is closed. A reader that still holds the file may go on after
// close().
std::shared_ptr<const MappedFile> read_mapped_file(Napi::Value value, const std::string& where);

}  // namespace qavit::addon
