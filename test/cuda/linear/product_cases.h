// The products that product_test.cpp computes.
#pragma once

#include <string>
#include <vector>

#include "operands.h"

namespace qavit::cuda::test {

enum class Residual { kNone, kOwn, kY };

struct ProductCase {
  std::string name;
  int64_t batch = 1, rows = 1, in = 1, out = 1, groups = 1;
  DType x = DType::kBF16, weight = DType::kBF16, y = DType::kF32;
  Layout layout;
  bool shared_x = false;  // one batch entry for all
  bool dense_x = false;   // no gap between batch entries of x, whatever the layout
  bool bias = true;
  Activation activation = Activation::kNone;
  float alpha = 1;
  Residual residual = Residual::kNone;
  DType residual_dtype = DType::kF32;  // of kOwn
  bool gated = false;                  // gated_projection in its dual form
  float gate = 0.6f;
  int multiprocessors = 4;
  int tile = -1;  // the plan that a case is about; -1: any
  int splits = 1;
};

std::vector<ProductCase> product_cases();

}  // namespace qavit::cuda::test
