// Hopper's attention on the model of its instructions (model.h), against the reference: every head width, tiles of all
// kinds, NaN wherever nobody may read, and each case in several orders of threads and events.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "../rows/operand.h"
#include "cuda/concat_attention/concat_attention_sm90.h"
#include "model.h"
#include "reference/operations.h"
#include "tests.h"

namespace qavit::test {

namespace {

struct AttentionCase {
  const char* name;
  int64_t batch, queries, keys, question, heads, width;
  std::vector<int32_t> lengths = {};  // empty: all rows of the question
  bool shared = false;
  Layout layout = {};
  float sharpness = 1;  // times 1 / sqrt(width): the scale
  bool one_picture = false;
};

int failures = 0, cases = 0;
Uniform uniform;

void fail(const std::string& name, const std::string& what) {
  ++failures;
  std::printf("FAILED: %s: %s\n", name.c_str(), what.c_str());
}

void fill(const View& view, int64_t b, int64_t rows, double size) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < view.cols; ++c) reference::store(view, b, r, c, size * uniform());
  }
}

// Columns [part * cols, ...) of a projection for three operands. Keys are the last of them, so that NaNs lie behind
// their columns: a NaN there reaches every score, one behind v's would not.
View slice(const Operand& projection, int part, int64_t rows) {
  View view = projection.view;
  view.cols /= 3;
  view.rows = rows;
  view.data = static_cast<char*>(view.data) + static_cast<size_t>(part * view.cols) * dtype_size(view.dtype);
  return view;
}

// Operands of one case. Rows of a question past its length stay NaN, and so do all gaps.
class Problem {
 public:
  Problem(const AttentionCase& c, DType dtype)
      : projection_(dtype, c.one_picture ? 1 : c.batch, std::max(c.queries, c.keys), 3 * c.heads * c.width, c.layout),
        question_(dtype, c.shared ? 1 : c.batch, std::max<int64_t>(c.question, 1), 3 * c.heads * c.width, c.layout),
        lengths_(c.lengths) {
    params.q = slice(projection_, 0, c.queries);
    params.k = slice(projection_, 2, c.keys);
    params.v = slice(projection_, 1, c.keys);
    for (int64_t b = 0; b < (c.one_picture ? 1 : c.batch); ++b) {
      fill(params.q, b, c.queries, 4);  // some keys matter more than others
      fill(params.k, b, c.keys, 1);
      fill(params.v, b, c.keys, 1);
    }
    for (View* view : {&params.q, &params.k, &params.v}) {
      view->batch = c.batch;
      if (c.one_picture) view->batch_stride = 0;
    }
    params.heads = c.heads;
    params.scale = c.sharpness / std::sqrt(static_cast<float>(c.width));
    if (c.question > 0) set_question(c);
  }

  ConcatAttentionParams params;

 private:
  void set_question(const AttentionCase& c) {
    params.question_k = slice(question_, 2, c.question);
    params.question_v = slice(question_, 1, c.question);
    for (int64_t b = 0; b < (c.shared ? 1 : c.batch); ++b) {
      int64_t used = c.question;
      if (!lengths_.empty()) {
        used = c.shared ? *std::max_element(lengths_.begin(), lengths_.end()) : lengths_[static_cast<size_t>(b)];
      }
      fill(params.question_k, b, used, 1);
      fill(params.question_v, b, used, 1);
    }
    for (View* view : {&params.question_k, &params.question_v}) {
      view->batch = c.batch;
      if (c.shared) view->batch_stride = 0;
    }
    const auto count = static_cast<int64_t>(lengths_.size());
    if (count > 0) params.question_lengths = {lengths_.data(), DType::kI32, 1, 1, count, count, count};
  }

  Operand projection_, question_;
  std::vector<int32_t> lengths_;
};

// Relative Frobenius error; NaN where there is one.
double error_of(const View& actual, const View& wanted) {
  double error = 0, size = 0;
  for (int64_t b = 0; b < actual.batch; ++b) {
    for (int64_t r = 0; r < actual.rows; ++r) {
      for (int64_t c = 0; c < actual.cols; ++c) {
        error += std::pow(reference::load(actual, b, r, c) - reference::load(wanted, b, r, c), 2);
        size += std::pow(reference::load(wanted, b, r, c), 2);
      }
    }
  }
  return std::sqrt(error / size);
}

void attend(const AttentionCase& c, DType dtype, int orders) {
  const std::string name = std::string(c.name) + ", " + dtype_name(dtype);
  const cuda::DeviceProperties device = {0, 90, 132, size_t{227} * 1024, size_t{50} << 20, false};
  Problem problem(c, dtype);
  Operand wanted(DType::kF32, c.batch, c.queries, c.heads * c.width, Layout());
  problem.params.out = wanted.view;
  reference::concat_attention(problem.params);
  for (int order = 0; order < orders; ++order) {
    ++cases;
    Operand out(dtype, c.batch, c.queries, c.heads * c.width, c.layout);
    problem.params.out = out.view;
    if (!cuda::attention_sm90_takes(device, problem.params)) return fail(name, "not taken");
    cuda::emulation::set_seed(static_cast<uint64_t>(cases));
    const Status status = cuda::run_attention_sm90({device, nullptr, nullptr, 0}, problem.params);
    if (!status.ok()) return fail(name, status.message());
    const double error = error_of(out.view, wanted.view);
    if (!(error <= (dtype == DType::kBF16 ? 6e-3 : 1e-3))) fail(name, "relative error " + std::to_string(error));
    if (out.numbers() != c.batch * c.queries * c.heads * c.width) fail(name, "writes beside its rows");
  }
}

const Layout kGaps = {8, 8, 16};

const AttentionCase kCases[] = {
    {"one key", 1, 1, 1, 0, 1, 64},
    {"one key of each kind", 1, 1, 1, 1, 1, 64},
    {"one whole tile, no ragged one", 1, 64, 64, 0, 1, 64},
    {"whole tiles only, more than the ring holds", 1, 64, 448, 0, 1, 64},
    {"one query in the second consumer", 1, 65, 65, 31, 2, 64},
    {"one query in the second block", 2, 129, 129, 32, 1, 64, {32, 5}},
    {"ViT-B/16", 1, 197, 197, 32, 1, 64},
    {"ViT-L/14-336, one block's queries", 1, 128, 577, 32, 1, 64},
    {"ragged questions", 3, 50, 50, 31, 2, 64, {0, 31, 17}, false, kGaps},
    {"one question for the batch", 3, 50, 65, 33, 2, 64, {33, 0, 12}, true, kGaps},
    {"one picture for the batch", 3, 70, 130, 31, 2, 64, {31, 0, 12}, false, kGaps, 1, true},
    {"one picture and one question for the batch", 2, 50, 65, 33, 1, 64, {33, 12}, true, kGaps, 1, true},
    {"a question of several tiles", 2, 20, 70, 150, 1, 64, {150, 127}},
    {"a question that makes up for a whole tile", 1, 20, 50, 78, 1, 64},
    {"scores far above the range of exp", 1, 50, 130, 31, 1, 64, {}, false, {}, 192},
    {"more queries than keys", 1, 140, 3, 1, 1, 64},
    {"fewer queries than keys", 2, 8, 200, 3, 1, 64},
    {"head width 72", 2, 70, 130, 31, 2, 72, {31, 3}, false, kGaps},
    {"head width 80", 1, 130, 257, 31, 1, 80},
    {"head width 88", 2, 66, 257, 31, 2, 88, {31, 0}},
    {"head width 96", 1, 70, 300, 33, 1, 96, {}, false, kGaps},
    {"head width 104", 1, 70, 70, 9, 2, 104},
    {"head width 128", 2, 70, 330, 31, 1, 128, {31, 7}},
};

// What the portable kernels have to compute.
void refuse() {
  const AttentionCase c = {"", 2, 50, 50, 9, 2, 64};
  const auto hold = [&](const char* name, bool taken, const cuda::DeviceProperties& device, const auto& change) {
    ++cases;
    Problem problem(c, DType::kBF16);
    Operand out(DType::kBF16, c.batch, c.queries, c.heads * c.width, kGaps);
    problem.params.out = out.view;
    change(problem.params);
    if (cuda::attention_sm90_takes(device, problem.params) != taken) fail(name, taken ? "refused" : "taken");
  };
  using P = ConcatAttentionParams;
  const cuda::DeviceProperties hopper = {0, 90, 132, size_t{227} * 1024, size_t{50} << 20, false};
  hold("aligned operands", true, hopper, [](P&) {});
  hold("operands that are not bound yet", true, hopper, [](P& p) {
    for (View* view : {&p.q, &p.k, &p.v, &p.question_k, &p.question_v, &p.out}) view->data = nullptr;
  });
  hold("Ampere", false, {0, 80, 108, 0, 0, false}, [](P&) {});
  hold("Blackwell", false, {0, 100, 148, 0, 0, false}, [](P&) {});
  hold("the emulation", false, {0, 90, 4, 0, 0, true}, [](P&) {});
  hold("f32", false, hopper, [](P& p) {
    for (View* view : {&p.q, &p.k, &p.v, &p.out}) view->dtype = DType::kF32;
  });
  hold("another dtype for out", false, hopper, [](P& p) { p.out.dtype = DType::kF32; });
  hold("a scale of 0", false, hopper, [](P& p) { p.scale = 0; });
  hold("heads 32 wide", false, hopper, [](P& p) { p.heads = 4; });
  hold("unaligned q", false, hopper, [](P& p) { p.q.data = static_cast<char*>(p.q.data) + 2; });
  hold("unaligned question", false, hopper,
       [](P& p) { p.question_v.data = static_cast<char*>(p.question_v.data) + 8; });
  hold("an odd row stride", false, hopper, [](P& p) { p.k.row_stride += 1; });
  hold("an odd batch stride", false, hopper, [](P& p) { p.out.batch_stride += 4; });
  hold("keys shared by the batch", true, hopper, [](P& p) { p.k.batch_stride = 0; });
}

}  // namespace

int test_attention() {
  for (const AttentionCase& c : kCases) {
    attend(c, DType::kBF16, 4);
    attend(c, DType::kF16, 2);
  }
  refuse();
  std::printf("attention: %d cases, %d failed\n", cases, failures);
  return failures;
}

}  // namespace qavit::test
