#include "product_cases.h"

namespace qavit::cuda::test {

namespace {

constexpr DType kDTypes[] = {DType::kBF16, DType::kF16, DType::kF32};

class Cases {
 public:
  std::vector<ProductCase> all;

  // `change` sets what differs from 1 x 1 x 1 in `dtype`.
  template <typename Change>
  void add(DType dtype, const std::string& name, const Change& change) {
    ProductCase c;
    c.name = std::string(dtype_name(dtype)) + ", " + name;
    c.x = c.weight = dtype;
    change(c);
    all.push_back(c);
  }
};

using C = ProductCase;

void sized(C& c, int64_t batch, int64_t rows, int64_t in, int64_t out) {
  c.batch = batch;
  c.rows = rows;
  c.in = in;
  c.out = out;
}

void add_shapes(Cases& cases, DType d) {
  cases.add(d, "one by one", [](C&) {});
  cases.add(d, "one row", [](C& c) { sized(c, 1, 1, 257, 33); });
  cases.add(d, "long sums", [](C& c) { sized(c, 1, 5, 2051, 9); });
  cases.add(d, "odd sizes", [](C& c) {
    sized(c, 3, 7, 37, 61);
    c.residual = Residual::kOwn;
  });
  cases.add(d, "tails on all sides", [](C& c) { sized(c, 2, 67, 72, 70); });
  cases.add(d, "rows and batch entries far apart", [](C& c) {
    sized(c, 3, 19, 40, 72);
    c.layout = {64, 24, 8};
    c.residual = Residual::kOwn;
  });
  cases.add(d, "misaligned", [](C& c) {
    sized(c, 3, 33, 61, 45);
    c.layout = {1, 7, 0};
    c.residual = Residual::kOwn;
  });
  cases.add(d, "misaligned, aligned sizes", [](C& c) {
    sized(c, 1, 20, 64, 64);
    c.layout = {3, 1, 0};
    c.activation = Activation::kQuickGelu;
  });
  cases.add(d, "one x for the batch", [](C& c) {
    sized(c, 3, 7, 16, 12);
    c.shared_x = true;
  });
}

void add_groups(Cases& cases, DType d) {
  cases.add(d, "groups", [](C& c) {
    sized(c, 2, 31, 64, 48);
    c.groups = 3;
  });
  cases.add(d, "groups of odd width", [](C& c) {
    sized(c, 3, 5, 13, 19);
    c.groups = 3;
    c.residual = Residual::kOwn;
    c.activation = Activation::kGeluErf;
  });
  cases.add(d, "groups of even in and odd out", [](C& c) {
    sized(c, 1, 9, 24, 21);
    c.groups = 7;
  });
}

void add_gated(Cases& cases, DType d) {
  cases.add(d, "gated", [](C& c) {
    sized(c, 2, 19, 72, 72);
    c.gated = true;
    c.residual = Residual::kOwn;
  });
  cases.add(d, "gated, odd width, negative gate", [](C& c) {
    sized(c, 2, 19, 37, 37);
    c.gated = true;
    c.gate = -0.4f;
    c.residual = Residual::kY;
  });
  cases.add(d, "gate shut", [](C& c) {
    sized(c, 1, 9, 24, 24);
    c.gated = true;
    c.gate = 0;
  });
  cases.add(d, "gated, no bias", [](C& c) {
    sized(c, 1, 9, 24, 24);
    c.gated = true;
    c.bias = false;
  });
}

void add_epilogues(Cases& cases, DType d) {
  cases.add(d, "residual is y", [](C& c) {
    sized(c, 1, 33, 40, 24);
    c.residual = Residual::kY;
    c.alpha = 0.125f;
  });
  cases.add(d, "residual is y, in the operands' dtype", [d](C& c) {
    sized(c, 1, 33, 40, 24);
    c.residual = Residual::kY;
    c.y = d;
    c.alpha = -1.5f;
    c.activation = Activation::kSilu;
  });
  for (const DType y : kDTypes) {
    for (const DType residual : kDTypes) {
      cases.add(d, std::string("to ") + dtype_name(y) + " on a residual in " + dtype_name(residual), [=](C& c) {
        sized(c, 1, 18, 40, 36);
        c.y = y;
        c.residual = Residual::kOwn;
        c.residual_dtype = residual;
      });
    }
    cases.add(d, std::string("x in ") + dtype_name(y), [y](C& c) {
      sized(c, 1, 18, 40, 36);
      c.x = y;
    });
  }
  for (const Activation activation : {Activation::kRelu, Activation::kGeluErf, Activation::kGeluTanh,
                                      Activation::kQuickGelu, Activation::kSilu, Activation::kTanh}) {
    cases.add(d, "activation " + std::to_string(static_cast<int>(activation)), [activation](C& c) {
      sized(c, 1, 18, 40, 36);
      c.activation = activation;
      c.residual = Residual::kOwn;
    });
  }
}

// Every tile with tails and more stages than its ring has places; sums split with everything that follows them.
void add_plans(Cases& cases, DType d) {
  const auto planned = [&](const std::string& name, int multiprocessors, int tile, int splits, const auto& change) {
    cases.add(d, name, [&](C& c) {
      c.multiprocessors = multiprocessors;
      c.tile = tile;
      c.splits = splits;
      change(c);
    });
  };
  planned("tile 128 x 256", 1, 0, 1, [](C& c) {
    sized(c, 2, 125, 200, 249);
    c.residual = Residual::kOwn;
  });
  planned("tile 128 x 128", 1, 1, 1, [](C& c) { sized(c, 1, 250, 200, 370); });
  planned("tile 64 x 128", 2, 2, 1, [](C& c) { sized(c, 1, 64, 104, 250); });
  planned("tile 64 x 64", 6, 3, 1, [](C& c) { sized(c, 1, 130, 136, 100); });
  planned("two bands of row tiles", 132, 3, 1, [](C& c) { sized(c, 1, 577, 8, 65); });
  planned("split", 132, 3, 3, [](C& c) {
    sized(c, 2, 17, 768, 70);
    c.residual = Residual::kY;
    c.activation = Activation::kGeluTanh;
  });
  planned("split, groups of odd width", 132, 3, 3, [](C& c) {
    sized(c, 1, 9, 768, 21);
    c.groups = 3;
    c.residual = Residual::kOwn;
  });
  planned("split within and after the gate's matrix", 132, 3, 3, [](C& c) {
    sized(c, 1, 9, 360, 360);
    c.gated = true;
  });
}

}  // namespace

std::vector<ProductCase> product_cases() {
  Cases cases;
  for (const DType dtype : kDTypes) {
    add_shapes(cases, dtype);
    add_groups(cases, dtype);
    add_gated(cases, dtype);
    add_epilogues(cases, dtype);
    if (dtype != DType::kF32) add_plans(cases, dtype);
  }
  return cases.all;
}

}  // namespace qavit::cuda::test
