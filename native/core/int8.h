// int8: how a matrix product is computed in 8-bit integers. What is written here is the specification; every backend
// that offers it gives the same integers.
//
// A row of W (an output channel) is symmetric:        w_i ~ scale * q_i,   q_i in [-127, 127]
// A row of x (a token) is asymmetric, made at run time:  x_i ~ scale * a_i,   a_i in [-zero, 255 - zero]
//
//   y = f32(sum_i a_i q_i) * (scale of the token * scale of the channel)
//
// The sum is exact. Zero is exact on both sides: a token's range always includes it, because most of what follows an
// activation function lies at or near zero. A token or channel with a NaN or an infinity in it has the scale NaN, so
// that all it takes part in becomes NaN. All arithmetic is f32 with one rounding an operation, levels to the nearest
// even.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/weight.h"

namespace qavit {

// Longest sum that fits in an int32 whatever the numbers are: 255 * 127 * 65,536 < 2^31.
constexpr int64_t kMaxInt8Columns = 65'536;

struct Int8Scale {
  float scale = 0.0f;
  float inverse = 0.0f;  // 1 / scale; 0 where scale is 0 or NaN
};

struct Int8Row : Int8Scale {
  float zero = 0.0f;  // an integer in [0, 255]
};

// `largest` is max |w_i|. A channel of numbers too small for a normal scale counts as zeros, as do such rows.
Int8Scale int8_channel(float largest, bool finite);

// `low` = min(0, x_i), `high` = max(0, x_i).
Int8Row int8_row(float low, float high, bool finite);

// The integer nearest to value / scale. A value that is not finite gives 0: its scale is NaN.
inline float int8_level(float value, const Int8Scale& scale) {
  const float scaled = value * scale.inverse;
  return std::isnan(scaled) ? 0.0f : std::nearbyint(scaled);
}

// Quantises `n` elements of a source from element `first` on, one channel. `store(i, q)` is called for each.
template <typename Store>
Int8Scale quantize_channel(const WeightSource& source, int64_t first, int64_t n, Store&& store) {
  float largest = 0.0f;
  bool finite = true;
  for (int64_t i = 0; i < n; ++i) {
    const float magnitude = std::fabs(read_element(source, first + i));
    finite = finite && std::isfinite(magnitude);
    largest = magnitude > largest ? magnitude : largest;
  }
  const Int8Scale scale = int8_channel(largest, finite);
  for (int64_t i = 0; i < n; ++i) {
    store(i, static_cast<int8_t>(int8_level(read_element(source, first + i), scale)));
  }
  return scale;
}

}  // namespace qavit
