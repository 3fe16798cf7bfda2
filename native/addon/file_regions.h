// FileRegions: the numbers of one parameter as they lie in files, in one piece or in several that are stacked (q, k and
// v of a joint projection). Described on the JavaScript thread, read on the queue thread.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "addon/mapped_file.h"
#include "core/dtype.h"
#include "core/status.h"
#include "core/weight.h"

namespace qavit::addon {

class FileRegions {
 public:
  // From an array of FileRegion (lib/binding/native.ts), `elements` of `dtype` in all. Throws StatusError.
  static FileRegions read(Napi::Value regions, DType dtype, int64_t elements, const std::string& where);

  // Memory that load() needs.
  size_t scratch_bytes() const;

  // Reads everything and points `source` at it. ERR_FORMAT for a number that is infinite or NaN, by the region's name.
  Status load(uint8_t* scratch, WeightSource* source) const;

 private:
  struct Region {
    std::shared_ptr<const MappedFile> file;
    int64_t offset = 0;  // bytes
    int64_t elements = 0;
    float scale = 1.0f;
    std::string name;
  };

  static void multiply(float* numbers, const Region& region);
  static Region read_region(Napi::Value value, DType dtype, const std::string& where);
  bool widened() const;  // some region is scaled, which is done in f32
  Status load_region(const Region& region, uint8_t* raw) const;

  std::vector<Region> regions_;
  DType dtype_ = DType::kF32;
  int64_t elements_ = 0;
};

}  // namespace qavit::addon
