#include "addon/file_regions.h"

#include <algorithm>

#include "addon/arguments.h"
#include "addon/errors.h"
#include "core/finite.h"

namespace qavit::addon {

namespace {

constexpr uint32_t kMaxRegions = 1u << 12;

std::string shown(float value) { return value != value ? "NaN" : value > 0 ? "Infinity" : "-Infinity"; }

}  // namespace

FileRegions FileRegions::read(Napi::Value value, DType dtype, int64_t elements, const std::string& where) {
  const Napi::Array regions = read_array(value, where, kMaxRegions);
  FileRegions made;
  made.dtype_ = dtype;
  made.elements_ = elements;
  int64_t sum = 0;
  const uint32_t count = regions.Length();
  for (uint32_t i = 0; i < count; ++i) {
    made.regions_.push_back(read_region(regions[i], dtype, where + "[" + std::to_string(i) + "]"));
    // No overflow: each region lies inside a file, and there are at most kMaxRegions.
    sum += made.regions_.back().elements;
  }
  if (sum != elements) {
    reject(ErrorCode::kShape, std::to_string(elements) + " elements", where, std::to_string(sum));
  }
  return made;
}

FileRegions::Region FileRegions::read_region(Napi::Value value, DType dtype, const std::string& where) {
  const Napi::Object object = read_object(value, where);
  only_keys(object, {"file", "offset", "elements", "scale", "name"}, where);
  const auto width = static_cast<int64_t>(dtype_size(dtype));
  Region region;
  region.offset = read_integer(object.Get("offset"), "offset of " + where, 0, kMaxInteger);
  region.elements = read_integer(object.Get("elements"), "elements of " + where, 1, kMaxInteger / width);
  region.name = read_string(object.Get("name"), "name of " + where);
  const Napi::Value scale = object.Get("scale");
  if (!absent(scale)) region.scale = read_finite(scale, "scale of " + where);
  region.file = read_mapped_file(object.Get("file"), "file of " + where);
  check(region.file->check_range(region.offset, region.elements * width));
  return region;
}

bool FileRegions::widened() const {
  return dtype_ != DType::kF32 &&
         std::any_of(regions_.begin(), regions_.end(), [](const Region& region) { return region.scale != 1.0f; });
}

void FileRegions::multiply(float* numbers, const Region& region) {
  for (int64_t i = 0; i < region.elements; ++i) numbers[i] *= region.scale;
}

size_t FileRegions::scratch_bytes() const {
  const size_t width = dtype_size(dtype_);
  if (!widened()) return static_cast<size_t>(elements_) * width;
  int64_t largest = 0;
  for (const Region& region : regions_) largest = std::max(largest, region.elements);
  return static_cast<size_t>(elements_) * sizeof(float) + static_cast<size_t>(largest) * width;
}

Status FileRegions::load(uint8_t* scratch, WeightSource* source) const {
  source->data = scratch;
  const auto width = static_cast<int64_t>(dtype_size(dtype_));
  if (!widened()) {
    for (const Region& region : regions_) {
      QAVIT_RETURN_IF_ERROR(load_region(region, scratch));
      if (region.scale != 1.0f) multiply(reinterpret_cast<float*>(scratch), region);
      scratch += region.elements * width;
    }
    return Status();
  }
  source->dtype = DType::kF32;
  auto* wide = reinterpret_cast<float*>(scratch);
  // Each region as it is stored, one at a time, behind all the widened numbers.
  auto* const stored = reinterpret_cast<uint8_t*>(wide + elements_);
  for (const Region& region : regions_) {
    QAVIT_RETURN_IF_ERROR(load_region(region, stored));
    const auto widen = [&](auto&& value_of) {
      for (int64_t i = 0; i < region.elements; ++i) {
        uint16_t bits;
        std::memcpy(&bits, stored + i * width, sizeof bits);
        wide[i] = value_of(bits);
      }
    };
    dtype_ == DType::kBF16 ? widen(bf16_to_f32) : widen(f16_to_f32);
    if (region.scale != 1.0f) multiply(wide, region);
    wide += region.elements;
  }
  return Status();
}

Status FileRegions::load_region(const Region& region, uint8_t* raw) const {
  const int64_t bytes = region.elements * static_cast<int64_t>(dtype_size(dtype_));
  QAVIT_RETURN_IF_ERROR(region.file->read(region.offset, bytes, raw));
  const int64_t bad = first_non_finite(raw, dtype_, region.elements);
  if (bad < 0) return Status();
  WeightSource numbers;
  numbers.data = raw;
  numbers.dtype = dtype_;
  return expected(ErrorCode::kFormat, "finite numbers", region.name,
                  shown(read_element(numbers, bad)) + " at element " + std::to_string(bad));
}

}  // namespace qavit::addon
