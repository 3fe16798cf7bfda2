#include "core/int8.h"

#include <limits>

namespace qavit {

namespace {

Int8Scale scale_of(float scale, bool finite) {
  if (!finite) return {std::numeric_limits<float>::quiet_NaN(), 0.0f};
  // 1 / scale would overflow.
  if (scale < std::numeric_limits<float>::min()) return {};
  return {scale, 1.0f / scale};
}

}  // namespace

Int8Scale int8_channel(float largest, bool finite) { return scale_of(largest / 127.0f, finite); }

Int8Row int8_row(float low, float high, bool finite) {
  // Divided one by one: high - low may overflow.
  const Int8Scale scale = scale_of(high / 255.0f - low / 255.0f, finite);
  return {scale, int8_level(-low, scale)};
}

}  // namespace qavit
