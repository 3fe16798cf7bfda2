// Hopper's matrix product on the model of its instructions (model.h), against float64 loops: every tile, one and more
// items a block, items of one stage and of more than the ring holds, splits, groups, edges on all sides, NaN around all
// operands, and each case in several orders of threads and events, which must all give the same bits.
#include "cuda/linear/linear.h"

#include <algorithm>
#include <cstdio>

#include "../linear/product.h"
#include "cuda/linear/gemm_search.h"
#include "cuda/linear/linear_sm90.h"
#include "cuda/linear/linear_sm90_plan.h"
#include "model.h"
#include "tests.h"

namespace qavit::cuda {

namespace {

// The plan that the present case is about.
int planned_tile = 0;
int planned_splits = 1;

}  // namespace

// In place of linear_sm90_plan.cpp's choice, which is tested in test/cuda/sm90.
GemmPlan plan_gemm_sm90(const GemmShape& shape, int, const GemmChoice&) {
  return split_plan(shape, planned_tile, planned_splits, Sm90Tile::kDepth);
}

namespace test {

namespace {

using C = ProductCase;

int cases = 0, failures = 0;

DeviceProperties hopper(int multiprocessors) {
  return {0, 90, multiprocessors, size_t{227} * 1024, size_t{50} << 20, false};
}

void fail(const C& c, const std::string& what) {
  ++failures;
  std::printf("FAILED: tile %d, %s, %s: %s\n", c.tile, c.name.c_str(), dtype_name(c.weight), what.c_str());
}

// "" or what is wrong. `first`: the result of the first order, empty before.
std::string check_order(const C& c, Product& product, std::vector<double>& first) {
  const LinearParams params = product.linear_params();
  const DeviceProperties device = hopper(c.multiprocessors);
  if (!linear_sm90_takes(device, params)) return "not taken";
  if (const Status status = run_in_workspace(device, nullptr, params); !status.ok()) return status.message();
  double error = 0;
  if (std::string wrong = product.check_result(&error); !wrong.empty()) return wrong;
  if (product.consumed()) return "";
  if (first.empty()) first = product.result();
  return product.result() == first ? "" : "another result in another order";
}

// NaN in the first batch entry, whose rows share tiles with the second's.
std::string check_neighbours(const C& c, Product& product, const std::vector<double>& first) {
  product.poison_first_entry();
  const Status status = run_in_workspace(hopper(c.multiprocessors), nullptr, product.linear_params());
  if (!status.ok()) return status.message();
  const std::vector<double> poisoned = product.result();
  const size_t entry = first.size() / static_cast<size_t>(c.batch);
  return std::equal(poisoned.begin() + static_cast<std::ptrdiff_t>(entry), poisoned.end(),
                    first.begin() + static_cast<std::ptrdiff_t>(entry))
             ? ""
             : "NaN of one batch entry reached another";
}

void hold(const C& c, int orders) {
  planned_tile = c.tile;
  planned_splits = c.splits;
  Product product(c);
  std::vector<double> first;
  for (int order = 0; order < orders; ++order) {
    emulation::set_seed(static_cast<uint64_t>(++cases));
    if (order > 0 && product.consumed()) product = Product(c);
    if (const std::string wrong = check_order(c, product, first); !wrong.empty()) return fail(c, wrong);
  }
  if (c.batch == 1 || product.consumed()) return;
  if (const std::string wrong = check_neighbours(c, product, first); !wrong.empty()) fail(c, wrong);
}

class Tile {
 public:
  Tile(int number, DType dtype, int orders) : number_(number), dtype_(dtype), orders_(orders) {}

  // `change` gets the case and the tile that it is for.
  template <typename Change>
  void hold(const char* name, const Change& change) const {
    C c;
    c.name = name;
    c.tile = number_;
    c.x = c.weight = dtype_;
    c.multiprocessors = 1;
    change(c, kSm90Tiles[number_]);
    test::hold(c, orders_);
  }

 private:
  const int number_;
  const DType dtype_;
  const int orders_;
};

void sized(C& c, int64_t batch, int64_t rows, int64_t in, int64_t out) {
  c.batch = batch;
  c.rows = rows;
  c.in = in;
  c.out = out;
}

void hold_edges(const Tile& tile) {
  tile.hold("one row, one column", [](C& c, const Sm90Tile&) { sized(c, 1, 1, 64, 1); });
  tile.hold("tails on all sides", [](C& c, const Sm90Tile& t) {
    sized(c, 1, t.rows - 3, 64 * t.stages + 40, t.columns - 7);
    c.layout = {64, 24, 0};
  });
  tile.hold("batch entries of y apart", [](C& c, const Sm90Tile&) {
    sized(c, 3, 50, 72, 132);
    c.layout = {64, 24, 8};
    c.dense_x = true;
    c.residual = Residual::kOwn;
    c.residual_dtype = DType::kF16;
  });
  tile.hold("groups of odd width", [](C& c, const Sm90Tile&) {
    sized(c, 1, 33, 72, 21);
    c.groups = 3;
    c.multiprocessors = 2;
    c.bias = false;
  });
}

void hold_items(const Tile& tile) {
  tile.hold("four items a block", [](C& c, const Sm90Tile& t) {
    sized(c, 1, t.rows + 1, 136, t.columns + 4);
    c.y = c.weight;
    c.residual = Residual::kOwn;
    c.residual_dtype = DType::kBF16;
    c.activation = Activation::kQuickGelu;
    c.alpha = 0.5f;
  });
  tile.hold("items of one stage", [](C& c, const Sm90Tile& t) { sized(c, 1, 6 * t.rows + 1, 64, 36); });
  tile.hold("items of one round of the ring", [](C& c, const Sm90Tile& t) {
    sized(c, 1, 4 * t.rows + 1, 64 * t.stages, 8);
    c.multiprocessors = 2;
  });
  tile.hold("items of more than a round",
            [](C& c, const Sm90Tile& t) { sized(c, 1, 2 * t.rows + 1, 64 * t.stages + 136, 8); });
}

void hold_splits(const Tile& tile) {
  tile.hold("split", [](C& c, const Sm90Tile& t) {
    sized(c, 1, t.rows + 2, 64 * 7 + 8, 70);
    c.splits = 3;
    c.multiprocessors = 2;
    c.residual = Residual::kY;
    c.activation = Activation::kGeluTanh;
  });
  tile.hold("split, groups of odd width", [](C& c, const Sm90Tile&) {
    sized(c, 2, 17, 200, 21);
    c.groups = 2;
    c.splits = 4;
    c.y = c.weight;
    c.residual = Residual::kOwn;
  });
}

// Whole lines of 64 columns, which go to memory in ways of their own (linear_sm90_epilogue.cuh).
void hold_whole_lines(const Tile& tile) {
  tile.hold("f32 on a residual", [](C& c, const Sm90Tile& t) {
    sized(c, 1, t.rows + 9, 72, t.columns + 64);
    c.residual = Residual::kOwn;
  });
  tile.hold("f32 of batch entries on a residual that is y", [](C& c, const Sm90Tile&) {
    sized(c, 3, 43, 72, 192);
    c.multiprocessors = 2;
    c.residual = Residual::kY;
  });
  tile.hold("f32 of groups, rows apart", [](C& c, const Sm90Tile&) {
    sized(c, 1, 70, 72, 64);
    c.groups = 3;
    c.bias = false;
    c.layout = {64, 24, 0};
  });
  tile.hold("16 bits", [](C& c, const Sm90Tile& t) {
    sized(c, 1, 2 * t.rows + 1, 72, t.columns + 64);
    c.y = c.weight;
  });
  for (const Activation activation : {Activation::kQuickGelu, Activation::kGeluErf, Activation::kGeluTanh}) {
    tile.hold("16 bits, an activation", [&](C& c, const Sm90Tile& t) {
      sized(c, 2, t.rows - 3, 64, 2 * t.columns);
      c.y = c.weight;
      c.activation = activation;
    });
  }
  tile.hold("16 bits of groups, rows apart", [](C& c, const Sm90Tile&) {
    sized(c, 1, 70, 72, 192);
    c.groups = 2;
    c.y = c.weight;
    c.bias = false;
    c.layout = {64, 24, 0};
  });
  tile.hold("split", [](C& c, const Sm90Tile& t) {
    sized(c, 1, t.rows + 2, 64 * 7 + 8, 192);
    c.splits = 3;
    c.multiprocessors = 2;
    c.y = c.weight;
    c.activation = Activation::kQuickGelu;
  });
}

// What the portable kernels have to compute.
void refuse() {
  C c;
  sized(c, 2, 20, 64, 64);
  c.name = "refusals";
  Product product(c);
  const LinearParams good = product.linear_params();
  const auto holds = [&](const char* what, bool taken, const DeviceProperties& device, const auto& change) {
    ++cases;
    LinearParams params = good;
    change(params);
    if (linear_sm90_takes(device, params) != taken) fail(c, std::string(what) + (taken ? " refused" : " taken"));
  };
  using P = LinearParams;
  const auto nothing = [](P&) {};
  holds("aligned operands", true, hopper(132), nothing);
  holds("operands that are not bound yet", true, hopper(132), [](P& p) { p.x.data = p.y.data = nullptr; });
  holds("unaligned y", true, hopper(132), [](P& p) { p.y.data = static_cast<char*>(p.y.data) + 4; });
  holds("Ampere", false, {0, 80, 108, 0, 0, false}, nothing);
  holds("Blackwell", false, {0, 100, 148, 0, 0, false}, nothing);
  holds("the emulation", false, {0, 90, 4, 0, 0, true}, nothing);
  holds("x of another dtype", false, hopper(132), [](P& p) { p.x.dtype = DType::kF16; });
  holds("unaligned x", false, hopper(132), [](P& p) { p.x.data = static_cast<char*>(p.x.data) + 8; });
  holds("an odd row stride", false, hopper(132), [](P& p) { p.x.row_stride += 4; });
  holds("one x for the batch", false, hopper(132), [](P& p) { p.x.batch_stride = 0; });
  holds("batch entries of x apart", false, hopper(132), [](P& p) { p.x.batch_stride += 64; });
  for (const int64_t in : {72, 60, 56}) {
    C other;
    sized(other, 1, 5, in, 8);
    Product narrow(other);
    ++cases;
    if (linear_sm90_takes(hopper(132), narrow.linear_params()) != (in == 72)) fail(c, std::to_string(in) + " inputs");
  }
}

}  // namespace

int test_linear() {
  for (int number = 0; number < kSm90TileCount; ++number) {
    const Tile bf16_tile(number, DType::kBF16, 4), f16_tile(number, DType::kF16, 2);
    for (const Tile& tile : {bf16_tile, f16_tile}) {
      hold_edges(tile);
      hold_items(tile);
      hold_splits(tile);
      hold_whole_lines(tile);
    }
  }
  refuse();
  std::printf("linear: %d cases, %d failed\n", cases, failures);
  return failures;
}

}  // namespace test

}  // namespace qavit::cuda
