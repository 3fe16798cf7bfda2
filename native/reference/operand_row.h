// The left operand of a matrix product, one row at a time: as it is, or quantised for a weight in int8.
#pragma once

#include <vector>

#include "core/int8.h"
#include "reference/elements.h"

namespace qavit::reference {

class OperandRow {
 public:
  // Row (b, r) of x as `weight` meets it: with int8, each of the weight's groups gets a scale of its own.
  OperandRow(const View& x, int64_t b, int64_t r, const DenseWeight& weight);

  // sum_i weight[group, out, i] x[group * in + i]. `weight` may be another one of the same dtype and shape.
  double dot(const DenseWeight& weight, int64_t group, int64_t out) const;

 private:
  std::vector<double> values_;   // integers where the weight is in int8
  std::vector<Int8Row> scales_;  // by group; int8 only
};

}  // namespace qavit::reference
