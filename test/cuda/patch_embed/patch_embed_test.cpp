// Patch embedding on the emulated device against plain float64 loops: every way of reading pixels, all dtypes, cropped
// images, unaligned pictures and outputs. Prints a line a case; exit status 1 if one failed.
#include "cuda/patch_embed/patch_embed.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "../linear/operands.h"

namespace qavit::cuda::test {

namespace {

struct PatchCase {
  const char* name;
  int64_t batch, height, width, patch, channels;
  bool has_class;
  Layout pixels = {}, out = {};
};

// Pieces of 8 bytes where P % 8 == 0 and the picture allows it, of 2 where P is even, else of 1.
const PatchCase kCases[] = {
    {"one patch of one pixel", 1, 1, 1, 1, 1, false},
    {"patches of one pixel", 1, 3, 5, 1, 7, true},
    {"patches of 7", 3, 21, 28, 7, 37, true},
    {"patches of 8", 7, 32, 32, 8, 48, true},
    {"patches of 14, two tiles of patches and of columns", 1, 126, 126, 14, 136, true},
    {"patches of 16, no class token", 3, 64, 48, 16, 72, false},
    {"patches of 32", 1, 64, 64, 32, 20, true},
    {"edges that fill no patch", 3, 30, 45, 14, 33, true},
    {"edges that fill no patch, even rows", 2, 30, 46, 14, 33, true},
    {"images apart, 8 bytes", 2, 24, 32, 8, 24, true, {16, 8, 24}, {8, 8, 16}},
    {"images apart, 2 bytes", 2, 28, 28, 14, 24, true, {2, 4, 6}, {4, 4, 4}},
    {"images apart, single bytes", 2, 16, 16, 8, 24, true, {3, 5, 1}, {3, 5, 1}},
    {"an odd distance between images", 2, 16, 16, 8, 24, false, {0, 0, 1}, {}},
    {"an odd distance after the only image", 1, 16, 16, 8, 24, false, {0, 0, 1}, {}},
    {"an odd distance between rows", 1, 28, 28, 14, 24, true, {0, 1, 0}, {}},
};

// Relative Frobenius error: sums in f32, results rounded to out's dtype.
double tolerance(DType dtype) { return dtype == DType::kF32 ? 1e-5 : dtype == DType::kBF16 ? 6e-3 : 1e-3; }

class Embedding {
 public:
  Embedding(const PatchCase& c, DType weight, DType out)
      : c_(c),
        columns_(c.width / c.patch),
        tokens_(c.height / c.patch * columns_ + (c.has_class ? 1 : 0)),
        weight_(matrix(weight, 1, c.channels, c.patch * c.patch * 3)),
        table_(vector(tokens_ * c.channels)),
        out_(out, c.batch, tokens_, c.channels, c.out) {
    const int64_t row_stride = c.width * 3 + c.pixels.padding;
    const int64_t batch_stride = c.height * row_stride + c.pixels.batch_padding;
    const auto bytes = static_cast<size_t>(c.pixels.offset + c.batch * batch_stride);
    memory_ = allocate(bytes);
    auto* const data = static_cast<uint8_t*>(memory_.get());
    for (size_t i = 0; i < bytes; ++i) data[i] = static_cast<uint8_t>(127.5 + 127.9 * uniform());
    pixels_ = {data + c.pixels.offset, DType::kU8, c.batch, c.height, c.width * 3, batch_stride, row_stride};
    table_.weight.role = WeightRole::kTable;
    table_.weight.shape = {1, tokens_, c.channels};
    for_each([&](int64_t b, int64_t token, int64_t channel) { wanted_.push_back(expected_at(b, token, channel)); });
  }

  Status run(cudaStream_t stream) {
    DeviceProperties device;
    device.shared_bytes_per_block = 99 * 1024;
    device.compute_capability = 80;
    device.multiprocessors = 4;
    device.emulated = true;
    PatchEmbedParams p;
    p.pixels = pixels_;
    p.weight = &weight_.weight;
    p.table = &table_.weight;
    p.patch = c_.patch;
    p.has_class = c_.has_class;
    p.out = out_.view;
    QAVIT_RETURN_IF_ERROR(supports(device, p));
    return cuda::run(Launch{device, stream, nullptr, workspace_bytes(device, p)}, p);
  }

  std::string check_result() const {
    double difference = 0, norm = 0;
    size_t i = 0;
    for_each([&](int64_t b, int64_t token, int64_t channel) {
      const double wanted = wanted_[i++], value = out_.at(b, token, channel);
      difference += (value - wanted) * (value - wanted);
      norm += wanted * wanted;
    });
    const double error = std::sqrt(difference / norm);
    if (out_.numbers() != static_cast<int64_t>(wanted_.size())) return "written outside out, or NaN in it";
    return error <= tolerance(out_.view.dtype) ? "" : "relative error " + std::to_string(error);
  }

  std::vector<double> result() const {
    std::vector<double> values;
    for_each([&](int64_t b, int64_t token, int64_t channel) { values.push_back(out_.at(b, token, channel)); });
    return values;
  }

  void blacken_first_image() {
    for (int64_t row = 0; row < c_.height; ++row) {
      std::memset(pixels_.row<uint8_t>(0, row), 0, static_cast<size_t>(c_.width * 3));
    }
  }

 private:
  template <typename F>
  void for_each(const F& f) const {
    for (int64_t b = 0; b < c_.batch; ++b) {
      for (int64_t token = 0; token < tokens_; ++token) {
        for (int64_t channel = 0; channel < c_.channels; ++channel) f(b, token, channel);
      }
    }
  }

  double expected_at(int64_t b, int64_t token, int64_t channel) const {
    double sum = get(table_.weight.data, DType::kF32, token * c_.channels + channel);
    const int64_t patch = token - (c_.has_class ? 1 : 0), run = c_.patch * 3;
    for (int64_t k = 0; patch >= 0 && k < c_.patch * run; ++k) {
      const uint8_t pixel =
          pixels_.row<uint8_t>(b, patch / columns_ * c_.patch + k / run)[patch % columns_ * run + k % run];
      sum += pixel * get(weight_.weight.data, weight_.weight.dtype, channel * weight_.weight.leading + k);
    }
    return sum;
  }

  PatchCase c_;
  int64_t columns_, tokens_;
  TestWeight weight_, table_;
  Tensor out_;
  Memory memory_;
  View pixels_;
  std::vector<double> wanted_;
};

// "" or what is wrong.
std::string check(const PatchCase& c, DType weight, DType out, cudaStream_t stream) {
  Embedding embedding(c, weight, out);
  if (const Status status = embedding.run(stream); !status.ok()) return status.message();
  if (std::string wrong = embedding.check_result(); !wrong.empty()) return wrong;
  const std::vector<double> first = embedding.result();
  if (const Status status = embedding.run(stream); !status.ok()) return status.message();
  if (embedding.result() != first) return "another result the second time";
  embedding.blacken_first_image();
  if (const Status status = embedding.run(stream); !status.ok()) return status.message();
  const std::vector<double> changed = embedding.result();
  for (size_t i = first.size() / static_cast<size_t>(c.batch); i < first.size(); ++i) {
    if (changed[i] != first[i]) return "pixels of one image reached another";
  }
  return "";
}

int check_all() {
  constexpr DType kDTypes[] = {DType::kBF16, DType::kF16, DType::kF32};
  cudaStream_t stream = nullptr;
  if (cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) != cudaSuccess) return 1;
  int failed = 0;
  for (const PatchCase& c : kCases) {
    for (const DType weight : kDTypes) {
      for (const DType out : kDTypes) {
        const std::string wrong = check(c, weight, out, stream);
        std::printf("%s  %s, %s to %s  %s\n", wrong.empty() ? "ok    " : "FAILED", c.name, dtype_name(weight),
                    dtype_name(out), wrong.c_str());
        failed += wrong.empty() ? 0 : 1;
      }
    }
  }
  cudaStreamDestroy(stream);
  return failed == 0 ? 0 : 1;
}

}  // namespace

}  // namespace qavit::cuda::test

int main() { return qavit::cuda::test::check_all(); }
