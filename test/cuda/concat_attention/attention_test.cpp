// concat_attention and question_attention on the emulated device against the reference: every head width's kernel, both
// numbers of slabs, ragged, shared and empty questions, layouts that the tensor cores' kernel takes and layouts that it
// does not, NaN in all gaps and in all question rows past a length. Prints a line a failure and the number of cases;
// the exit status is 0 when all hold.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "../rows/operand.h"
#include "cuda/concat_attention/concat_attention.h"
#include "cuda/question_attention/question_attention.h"
#include "reference/operations.h"

namespace qavit::test {

namespace {

constexpr DType kDTypes[] = {DType::kF32, DType::kBF16, DType::kF16};

struct AttentionCase {
  const char* name;
  int64_t batch, queries, keys, question, heads, width;
  std::vector<int32_t> lengths = {};  // empty: all rows of the question
  bool shared = false;
  Layout layout = {};
  float scale = std::numeric_limits<float>::quiet_NaN();  // NaN: 1 / sqrt(width)
};

int failures = 0, cases = 0;
Uniform uniform;

Status on_device(const auto& params, int multiprocessors = 4) {
  static cudaStream_t stream = [] {
    cudaStream_t made = nullptr;
    (void)cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking);
    return made;
  }();
  const cuda::DeviceProperties properties = {0, 80, multiprocessors, 99 * 1024, 1 << 20, true};
  return cuda::run(cuda::Launch{properties, stream, nullptr, 0}, params);
}

void fail(const std::string& name, const char* what) {
  ++failures;
  std::printf("FAILED: %s: %s\n", name.c_str(), what);
}

// A third of the columns of one projection.
View slice(const Operand& projection, int part, int64_t rows) {
  View view = projection.view;
  view.cols /= 3;
  view.rows = rows;
  view.data = static_cast<char*>(view.data) + static_cast<size_t>(part * view.cols) * dtype_size(view.dtype);
  return view;
}

void fill(const View& view, int64_t b, int64_t rows, double size) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < view.cols; ++c) reference::store(view, b, r, c, size * uniform());
  }
}

View entry(View view, int64_t b) {
  view.data = static_cast<char*>(view.data) + static_cast<size_t>(b * view.batch_stride) * dtype_size(view.dtype);
  view.batch = 1;
  return view;
}

// The operands of one case. Rows of the question that no sample uses stay NaN.
class Problem {
 public:
  Problem(const AttentionCase& c, DType dtype, DType out_dtype)
      : projection_(dtype, c.batch, std::max(c.queries, c.keys), 3 * c.heads * c.width, c.layout),
        question_(dtype, c.shared ? 1 : c.batch, std::max<int64_t>(c.question, 1), 3 * c.heads * c.width, c.layout),
        lengths_(c.lengths.empty() ? std::vector<int32_t>(c.batch, static_cast<int32_t>(c.question)) : c.lengths),
        out(out_dtype, c.batch, c.queries, c.heads * c.width, c.layout) {
    params.q = slice(projection_, 0, c.queries);
    params.k = slice(projection_, 1, c.keys);
    params.v = slice(projection_, 2, c.keys);
    for (int64_t b = 0; b < c.batch; ++b) {
      fill(params.q, b, c.queries, 4);  // some keys matter more than others
      fill(params.k, b, c.keys, 1);
      fill(params.v, b, c.keys, 1);
    }
    params.heads = c.heads;
    params.scale = std::isnan(c.scale) ? 1 / std::sqrt(static_cast<float>(c.width)) : c.scale;
    params.out = out.view;
    if (c.question == 0) return;
    params.question_k = slice(question_, 0, c.question);
    params.question_v = slice(question_, 1, c.question);
    if (c.shared) {
      const int64_t longest = *std::max_element(lengths_.begin(), lengths_.end());
      fill(params.question_k, 0, longest, 1);
      fill(params.question_v, 0, longest, 1);
      for (View* view : {&params.question_k, &params.question_v}) view->batch = c.batch, view->batch_stride = 0;
    } else {
      for (int64_t b = 0; b < c.batch; ++b) {
        fill(params.question_k, b, lengths_[static_cast<size_t>(b)], 1);
        fill(params.question_v, b, lengths_[static_cast<size_t>(b)], 1);
      }
    }
    if (!c.lengths.empty()) params.question_lengths = view_of(lengths_);
  }

  static View view_of(std::vector<int32_t>& lengths) {
    const auto count = static_cast<int64_t>(lengths.size());
    return {lengths.data(), DType::kI32, 1, 1, count, count, count};
  }

 private:
  Operand projection_, question_;
  std::vector<int32_t> lengths_;

 public:
  Operand out;
  ConcatAttentionParams params;
};

double tolerance(DType dtype) { return dtype == DType::kF32 ? 1e-5 : dtype == DType::kBF16 ? 6e-3 : 1e-3; }

// Relative Frobenius error, or the size of what is wrong where zeros are wanted.
bool within(const View& actual, const View& wanted, double limit) {
  double error = 0, size = 0;
  for (int64_t b = 0; b < actual.batch; ++b) {
    for (int64_t r = 0; r < actual.rows; ++r) {
      for (int64_t c = 0; c < actual.cols; ++c) {
        error += std::pow(reference::load(actual, b, r, c) - reference::load(wanted, b, r, c), 2);
        size += std::pow(reference::load(wanted, b, r, c), 2);
      }
    }
  }
  return std::sqrt(error) <= limit * std::sqrt(size);  // false for NaN
}

bool same_bits(const View& a, const View& b) {
  for (int64_t i = 0; i < a.batch; ++i) {
    for (int64_t r = 0; r < a.rows; ++r) {
      const size_t bytes = static_cast<size_t>(a.cols) * dtype_size(a.dtype);
      const auto at = [&](const View& v) {
        return static_cast<const char*>(v.data) +
               static_cast<size_t>(i * v.batch_stride + r * v.row_stride) * dtype_size(v.dtype);
      };
      if (std::memcmp(at(a), at(b), bytes) != 0) return false;
    }
  }
  return true;
}

// A sample's bits depend neither on how many samples, nor on how many multiprocessors there are.
void hold_invariance(const std::string& name, const AttentionCase& c, const Problem& problem) {
  const DType dtype = problem.params.out.dtype;
  for (const int multiprocessors : {1, 1 << 20}) {  // two slabs a warp; one
    Operand again(dtype, c.batch, c.queries, c.heads * c.width, c.layout);
    ConcatAttentionParams params = problem.params;
    params.out = again.view;
    if (!on_device(params, multiprocessors).ok() || !same_bits(again.view, problem.params.out)) {
      fail(name, "another number of slabs gives other bits");
    }
  }
  for (int64_t b = 0; b < c.batch && c.batch > 1; ++b) {
    Operand alone(dtype, 1, c.queries, c.heads * c.width, c.layout);
    ConcatAttentionParams params = problem.params;
    for (View* view : {&params.q, &params.k, &params.v}) *view = entry(*view, b);
    if (c.question > 0) {
      for (View* view : {&params.question_k, &params.question_v}) *view = entry(*view, b);
    }
    if (!c.lengths.empty()) params.question_lengths.data = params.question_lengths.row<int32_t>(0, 0) + b;
    params.question_lengths.cols = c.lengths.empty() ? 0 : 1;
    params.out = alone.view;
    if (!on_device(params).ok() || !same_bits(alone.view, entry(problem.params.out, b))) {
      fail(name, "a sample alone gives other bits");
    }
  }
}

// A question of length 0 is plain attention, bit for bit, whatever its rows hold.
void hold_emptiness(const std::string& name, const AttentionCase& c, const Problem& problem) {
  const DType dtype = problem.params.out.dtype;
  Operand plain(dtype, c.batch, c.queries, c.heads * c.width, c.layout);
  Operand empty(dtype, c.batch, c.queries, c.heads * c.width, c.layout);
  std::vector<int32_t> zeros(static_cast<size_t>(c.batch), 0);
  ConcatAttentionParams params = problem.params;
  params.question_lengths = Problem::view_of(zeros);
  params.out = empty.view;
  const bool ran = on_device(params).ok();
  params.question_k = params.question_v = params.question_lengths = View();
  params.out = plain.view;
  if (!ran || !on_device(params).ok() || !same_bits(plain.view, empty.view)) fail(name, "an empty question shows");
}

void attend(const AttentionCase& c, DType dtype, DType out_dtype) {
  const std::string name = std::string(c.name) + ", " + dtype_name(dtype) + " to " + dtype_name(out_dtype);
  ++cases;
  const Problem problem(c, dtype, out_dtype);
  Operand wanted(DType::kF32, c.batch, c.queries, c.heads * c.width, Layout());
  ConcatAttentionParams params = problem.params;
  params.out = wanted.view;
  reference::concat_attention(params);
  if (!on_device(problem.params).ok()) return fail(name, "does not run");
  if (!within(problem.params.out, wanted.view, std::max(tolerance(dtype), tolerance(out_dtype)))) {
    fail(name, "wrong");
  }
  if (problem.out.numbers() != c.batch * c.queries * c.heads * c.width) fail(name, "writes beside its rows");
  hold_invariance(name, c, problem);
  if (c.question > 0) hold_emptiness(name, c, problem);
}

void show(const AttentionCase& c, DType dtype) {
  if (c.question == 0) return;
  const std::string name = std::string(c.name) + ", question_attention of " + dtype_name(dtype);
  ++cases;
  const Problem problem(c, dtype, DType::kF32);
  const Layout gaps = {0, 3, 5};
  Operand out(DType::kF32, c.batch, c.queries, c.question, gaps);
  Operand wanted(DType::kF32, c.batch, c.queries, c.question, Layout());
  const ConcatAttentionParams& p = problem.params;
  QuestionAttentionParams params = {p.q, p.k, p.question_k, p.question_lengths, p.heads, p.scale, wanted.view};
  reference::question_attention(params);
  params.out = out.view;
  if (!on_device(params).ok()) return fail(name, "does not run");
  if (!within(out.view, wanted.view, tolerance(DType::kF32))) fail(name, "wrong");
  if (out.numbers() != c.batch * c.queries * c.question) fail(name, "writes beside its rows");
}

// Heads wider than any kernel's, and more tiles than a grid: refused before anything is launched.
void limits() {
  const auto refuses = [](const char* name, const View& view, int64_t heads) {
    ConcatAttentionParams params;
    params.q = params.k = params.v = params.out = view;
    params.heads = heads;
    ++cases;
    if (cuda::supports({}, params).code() != ErrorCode::kUnsupported) fail(name, "is not refused");
  };
  refuses("heads 257 wide", {nullptr, DType::kBF16, 1, 4, 514, 2056, 514}, 2);
  refuses("2^31 tiles", {nullptr, DType::kBF16, int64_t{1} << 31, 1, 16, 16, 16}, 1);
}

const Layout kAligned = {8, 8, 16}, kUnaligned = {3, 5, 1};

const AttentionCase kCases[] = {
    {"one key", 1, 1, 1, 0, 1, 16},
    {"one key of each kind", 1, 1, 1, 1, 1, 16},
    {"no ragged rows", 2, 65, 128, 16, 1, 64, {0, 16}},
    {"ViT-L/14 at 112 pixels", 2, 65, 65, 32, 2, 64, {32, 5}},
    {"many blocks", 9, 65, 65, 5, 2, 48, {5, 4, 3, 2, 1, 0, 5, 5, 5}},
    {"head width 16", 3, 50, 50, 32, 2, 16, {}, true},
    {"head width 24", 7, 17, 17, 5, 2, 24, {5, 4, 3, 2, 1, 0, 5}, true},
    {"head width 72", 2, 70, 70, 31, 1, 72, {31, 3}, false, kAligned},
    {"head width 80", 1, 130, 130, 31, 1, 80},
    {"head width 88", 3, 50, 50, 1, 2, 88},
    {"head width 96", 2, 70, 97, 33, 1, 96, {33, 0}, false, kAligned},
    {"head width 120", 1, 33, 40, 20, 1, 120},
    {"head width 128", 2, 140, 140, 31, 1, 128, {31, 7}},
    {"head width 17", 1, 19, 19, 5, 3, 17},
    {"head width 129", 1, 33, 33, 3, 1, 129},
    {"head width 256", 2, 33, 33, 33, 1, 256, {33, 2}},
    {"a question longer than a tile", 3, 20, 50, 150, 1, 64, {1, 128, 150}},
    {"unaligned", 3, 33, 33, 9, 2, 64, {9, 0, 4}, false, kUnaligned},
    {"fewer queries than keys", 1, 8, 50, 3, 2, 32},
    {"more queries than keys", 3, 33, 1, 1, 2, 32},
    {"scores beyond the range of exp", 1, 50, 50, 31, 2, 64, {}, false, {}, 24},
    {"scale 0", 1, 33, 33, 9, 2, 16, {}, false, {}, 0},
    {"scale below 0", 1, 33, 33, 9, 1, 64, {}, false, {}, -0.3f},
};

}  // namespace

int run_all() {
  for (const AttentionCase& c : kCases) {
    for (const DType dtype : kDTypes) {
      attend(c, dtype, dtype);
      show(c, dtype);
    }
  }
  for (const DType dtype : kDTypes) {
    for (const DType out : kDTypes) {
      if (out != dtype) attend(kCases[3], dtype, out);
    }
  }
  limits();
  std::printf("%d cases, %d failed\n", cases, failures);
  return failures == 0 ? 0 : 1;
}

}  // namespace qavit::test

int main() { return qavit::test::run_all(); }
