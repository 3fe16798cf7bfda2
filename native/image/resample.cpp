#include "image/resample.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <new>
#include <string>
#include <utility>

namespace qavit::image {
namespace {

constexpr int kChannels = 3;
constexpr double kPi = 3.14159265358979323846;

// Weights are 22-bit fixed point: a byte times a weight plus the filter's overshoot still fits 32 bits.
constexpr int kWeightBits = 32 - 8 - 2;

// The passes work on 16 bytes side by side, the width of a vector register everywhere.
constexpr int kLanes = 16;
// Rows that the horizontal pass takes at once: as many whole RGB pixels as fit the lanes.
constexpr int kBandRows = kLanes / kChannels;

double box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

double bilinear(double x) {
  x = std::abs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double hamming(double x) {
  x = std::abs(x);
  if (x == 0.0) return 1.0;
  if (x >= 1.0) return 0.0;
  x *= kPi;
  // Pillow writes these two constants as floats, which shows in the last bits of a weight.
  return std::sin(x) / x * (0.54f + 0.46f * std::cos(x));
}

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= kPi;
  return std::sin(x) / x;
}

double lanczos(double x) { return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

struct Kernel {
  double (*weight)(double);
  // Where the weight becomes zero, in pixels of the smaller scale.
  double support;
};

Kernel kernel_of(ResampleFilter filter) {
  switch (filter) {
    case ResampleFilter::kBox:
      return {box, 0.5};
    case ResampleFilter::kBilinear:
      return {bilinear, 1.0};
    case ResampleFilter::kHamming:
      return {hamming, 1.0};
    case ResampleFilter::kLanczos:
      return {lanczos, 3.0};
    case ResampleFilter::kBicubic:
    case ResampleFilter::kNearest:
      break;
  }
  return {bicubic, 2.0};
}

// The source pixels first .. first + count - 1 make one output pixel, each with its weight.
struct Tap {
  int64_t first;
  int64_t count;
  const int32_t* weights;
};

class Taps {
 public:
  Taps(int64_t from, int64_t to, const Kernel& kernel);
  Tap operator[](int64_t i) const { return {ranges_[i].first, ranges_[i].second, weights_.data() + i * stride_}; }

 private:
  int64_t stride_;
  std::vector<std::pair<int64_t, int64_t>> ranges_;
  std::vector<int32_t> weights_;
};

int32_t to_fixed(double weight) {
  const double scaled = weight * (1 << kWeightBits);
  return static_cast<int32_t>(weight < 0 ? scaled - 0.5 : scaled + 0.5);
}

// Double arithmetic in Pillow's own order: a different order moves weights by one unit and pixels with them.
Taps::Taps(int64_t from, int64_t to, const Kernel& kernel) : ranges_(to) {
  const double scale = static_cast<double>(from) / to;
  const double filter_scale = std::max(scale, 1.0);
  const double support = kernel.support * filter_scale;
  const double step = 1.0 / filter_scale;
  stride_ = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  weights_.resize(to * stride_);
  std::vector<double> exact(stride_);
  for (int64_t i = 0; i < to; ++i) {
    const double center = (i + 0.5) * scale;
    const int64_t first = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0);
    const int64_t count = std::min(static_cast<int64_t>(center + support + 0.5), from) - first;
    double total = 0.0;
    for (int64_t x = 0; x < count; ++x) {
      exact[x] = kernel.weight((x + first - center + 0.5) * step);
      total += exact[x];
    }
    for (int64_t x = 0; x < count; ++x) {
      weights_[i * stride_ + x] = to_fixed(total != 0.0 ? exact[x] / total : exact[x]);
    }
    ranges_[i] = {first, count};
  }
}

uint8_t to_byte(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kWeightBits, 0, 255)); }

// out[lane] = the weighted sum of the rows of `source`, `stride` bytes apart, at each of its first `lanes` bytes.
// Compilers turn the inner loop into vector code, so that both passes are built from this one.
template <int lanes>
void weigh(const uint8_t* source, ptrdiff_t stride, const Tap& tap, uint8_t* out) {
  int32_t sums[lanes];
  std::fill_n(sums, lanes, 1 << (kWeightBits - 1));
  for (int64_t j = 0; j < tap.count; ++j, source += stride) {
    for (int lane = 0; lane < lanes; ++lane) sums[lane] += source[lane] * tap.weights[j];
  }
  for (int lane = 0; lane < lanes; ++lane) out[lane] = to_byte(sums[lane]);
}

// Interleaves `rows` <= kBandRows rows: pixel x of all of them lies at band[x * kLanes].
void gather_band(const uint8_t* source, int64_t width, int64_t rows, uint8_t* band) {
  const int64_t row_bytes = width * kChannels;
  for (int64_t x = 0; x + 1 < width; ++x, band += kLanes, source += kChannels) {
    // Four bytes at once are one move; the fourth is overwritten by the next row's pixel or lies in the unused last
    // lane.
    for (int64_t r = 0; r < rows; ++r) std::memcpy(band + r * kChannels, source + r * row_bytes, kChannels + 1);
  }
  for (int64_t r = 0; r < rows; ++r) std::memcpy(band + r * kChannels, source + r * row_bytes, kChannels);
}

// Writes `rows` rows of `to_width` pixels. In a band of interleaved rows one pixel's neighbours are strided rows, as in
// the vertical pass, and the band stays in the nearest cache.
void resample_rows(const uint8_t* source, int64_t width, int64_t rows, int64_t to_width, const Taps& taps,
                   uint8_t* out) {
  std::vector<uint8_t> band(width * kLanes);
  for (int64_t row = 0; row < rows; row += kBandRows) {
    const int64_t band_rows = std::min<int64_t>(kBandRows, rows - row);
    gather_band(source + row * width * kChannels, width, band_rows, band.data());
    for (int64_t x = 0; x < to_width; ++x) {
      const Tap tap = taps[x];
      uint8_t pixels[kLanes];
      weigh<kLanes>(band.data() + tap.first * kLanes, kLanes, tap, pixels);
      for (int64_t r = 0; r < band_rows; ++r) {
        std::memcpy(out + ((row + r) * to_width + x) * kChannels, pixels + r * kChannels, kChannels);
      }
    }
  }
}

// `source` begins at row `first_row` of the picture that `taps` index.
void resample_columns(const uint8_t* source, int64_t first_row, int64_t row_bytes, int64_t to_height, const Taps& taps,
                      uint8_t* out) {
  for (int64_t y = 0; y < to_height; ++y, out += row_bytes) {
    const Tap tap = taps[y];
    const uint8_t* top = source + (tap.first - first_row) * row_bytes;
    int64_t x = 0;
    for (; x + kLanes <= row_bytes; x += kLanes) weigh<kLanes>(top + x, row_bytes, tap, out + x);
    for (; x < row_bytes; ++x) weigh<1>(top + x, row_bytes, tap, out + x);
  }
}

// Horizontal, then vertical, rounded to bytes between; a pass whose side does not change is left out.
void resample_weighted(const ResampleRequest& request, std::vector<uint8_t>* out) {
  const Kernel kernel = kernel_of(request.filter);
  const int64_t row_bytes = request.to_width * kChannels;
  const bool columns_change = request.to_height != request.height;
  const uint8_t* source = request.pixels.data();
  const Taps vertical(request.height, request.to_height, kernel);
  // Rows that no output row looks at need no horizontal pass either.
  const Tap last = vertical[request.to_height - 1];
  const int64_t first_row = columns_change ? vertical[0].first : 0;
  const int64_t rows = columns_change ? last.first + last.count - first_row : request.height;
  source += first_row * request.width * kChannels;

  std::vector<uint8_t> narrowed;
  if (request.to_width != request.width) {
    narrowed.resize(rows * row_bytes);
    const Taps horizontal(request.width, request.to_width, kernel);
    resample_rows(source, request.width, rows, request.to_width, horizontal, narrowed.data());
    if (!columns_change) {
      *out = std::move(narrowed);
      return;
    }
    source = narrowed.data();
  }
  out->resize(request.to_height * row_bytes);
  resample_columns(source, first_row, row_bytes, request.to_height, vertical, out->data());
}

// Pillow reduces very tall pictures to their final height first. The rounding between the passes makes that visible.
bool is_vertical_first(const ResampleRequest& request) {
  return request.height > request.width * 100 && request.to_height < request.height;
}

void resample_vertical_first(const ResampleRequest& request, std::vector<uint8_t>* out) {
  std::vector<uint8_t> shortened;
  ResampleRequest step = request;
  step.to_width = request.width;
  resample_weighted(step, &shortened);
  step = request;
  step.pixels = shortened;
  step.height = request.to_height;
  resample_weighted(step, out);
}

// The source index of each output index; -1 where the accumulated position falls outside. Pillow adds the scale up step
// by step instead of multiplying, and the accumulated rounding decides which neighbour a pixel half-way between two
// comes from.
std::vector<int64_t> nearest_indices(int64_t from, int64_t to) {
  const double scale = static_cast<double>(from) / to;
  std::vector<int64_t> indices(to);
  double position = scale * 0.5;
  for (int64_t& index : indices) {
    const int64_t candidate = static_cast<int64_t>(position);
    index = candidate < from ? candidate : -1;
    position += scale;
  }
  return indices;
}

void resample_nearest(const ResampleRequest& request, std::vector<uint8_t>* out) {
  const std::vector<int64_t> columns = nearest_indices(request.width, request.to_width);
  const std::vector<int64_t> rows = nearest_indices(request.height, request.to_height);
  // Zero, as in Pillow, is what pixels outside keep.
  out->assign(request.to_width * request.to_height * kChannels, 0);
  uint8_t* to = out->data();
  for (const int64_t row : rows) {
    for (const int64_t column : columns) {
      if (row >= 0 && column >= 0) {
        std::memcpy(to, request.pixels.data() + (row * request.width + column) * kChannels, kChannels);
      }
      to += kChannels;
    }
  }
}

std::string size_text(int64_t width, int64_t height) { return std::to_string(width) + " x " + std::to_string(height); }

Status check_side(int64_t side, const char* where) {
  if (side >= 1 && side <= kMaxSide) return {};
  return expected(ErrorCode::kArgument, "1 to " + std::to_string(kMaxSide) + " pixels", where, std::to_string(side));
}

Status check_picture(int64_t width, int64_t height, const char* where) {
  if (width * height <= kMaxPixels) return {};
  return expected(ErrorCode::kArgument, "at most " + std::to_string(kMaxPixels) + " pixels", where,
                  size_text(width, height));
}

}  // namespace

Status validate(const ResampleRequest& request) {
  QAVIT_RETURN_IF_ERROR(check_side(request.width, "width"));
  QAVIT_RETURN_IF_ERROR(check_side(request.height, "height"));
  QAVIT_RETURN_IF_ERROR(check_side(request.to_width, "toWidth"));
  QAVIT_RETURN_IF_ERROR(check_side(request.to_height, "toHeight"));
  QAVIT_RETURN_IF_ERROR(check_picture(request.width, request.height, "the source picture"));
  if (!is_vertical_first(request)) {
    QAVIT_RETURN_IF_ERROR(check_picture(request.to_width, request.height, "the picture between the passes"));
  }
  QAVIT_RETURN_IF_ERROR(check_picture(request.to_width, request.to_height, "the resized picture"));
  const int64_t bytes = request.width * request.height * kChannels;
  if (static_cast<int64_t>(request.pixels.size()) == bytes) return {};
  return expected(ErrorCode::kShape,
                  std::to_string(bytes) + " bytes (" + size_text(request.width, request.height) + " x 3)", "pixels",
                  std::to_string(request.pixels.size()));
}

Status resample(const ResampleRequest& request, std::vector<uint8_t>* out) {
  QAVIT_RETURN_IF_ERROR(validate(request));
  try {
    if (request.width == request.to_width && request.height == request.to_height) {
      out->assign(request.pixels.begin(), request.pixels.end());
    } else if (request.filter == ResampleFilter::kNearest) {
      resample_nearest(request, out);
    } else if (is_vertical_first(request) && request.to_width != request.width) {
      resample_vertical_first(request, out);
    } else {
      resample_weighted(request, out);
    }
  } catch (const std::bad_alloc&) {
    return Status(ErrorCode::kOutOfMemory, "Expected memory for resizing " + size_text(request.width, request.height) +
                                               " to " + size_text(request.to_width, request.to_height) +
                                               " but received none from the system");
  }
  return {};
}

}  // namespace qavit::image
