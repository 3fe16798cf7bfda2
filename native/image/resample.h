// Pillow's Image.resize for 8-bit RGB, bit for bit: what every Python image processor of a Hugging Face vision tower
// was trained with.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/names.h"
#include "core/status.h"

namespace qavit::image {

enum class ResampleFilter { kNearest, kBox, kBilinear, kHamming, kBicubic, kLanczos };

inline constexpr Named<ResampleFilter> kResampleFilterNames[] = {
    {ResampleFilter::kNearest, "nearest"},   {ResampleFilter::kBox, "box"},
    {ResampleFilter::kBilinear, "bilinear"}, {ResampleFilter::kHamming, "hamming"},
    {ResampleFilter::kBicubic, "bicubic"},   {ResampleFilter::kLanczos, "lanczos"}};

struct ResampleRequest {
  // RGB, HWC, width * height * 3 bytes. Borrowed: must outlive the call.
  std::span<const uint8_t> pixels;
  int64_t width = 0;
  int64_t height = 0;
  int64_t to_width = 0;
  int64_t to_height = 0;
  ResampleFilter filter = ResampleFilter::kBicubic;
};

// Pillow keeps sides in `float` on the way, which is exact up to here.
inline constexpr int64_t kMaxSide = int64_t{1} << 24;
// Of the source, of the result and of the picture between the two passes: each stays under 2 GiB.
inline constexpr int64_t kMaxPixels = (int64_t{1} << 31) / 3;

// Everything resample() checks before it reads a pixel: sides and areas (ERR_ARGUMENT) and the number of bytes
// (ERR_SHAPE).
Status validate(const ResampleRequest& request);

// Fills `out` with to_width * to_height * 3 bytes. Safe to call from any thread; allocates (ERR_OUT_OF_MEMORY) but
// never throws.
Status resample(const ResampleRequest& request, std::vector<uint8_t>* out);

}  // namespace qavit::image
