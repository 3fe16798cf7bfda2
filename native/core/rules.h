// Rules: the vocabulary validate.cpp is written in. Each rule notes the first failure and makes the following ones do
// nothing, so that an operation's rules read as a list.
#pragma once

#include <string>

#include "core/shape.h"
#include "core/status.h"
#include "core/visit.h"

namespace qavit {

class Rules {
 public:
  explicit Rules(std::string where) : where_(std::move(where)) {}

  bool ok() const { return status_.ok(); }
  Status status() const { return status_; }

  // Notes a failure unless one has been noted already.
  void fail(ErrorCode code, const std::string& what, const std::string& actual);

  // Dimensions >= 1, strides that fit in an int64 and, for an output, rows that do not overlap each other.
  void layout(const View& view, const char* name, Access access);
  void role(const Weight* weight, const char* name, WeightRole role);

  void shape(const View& view, const char* name, const Shape& wanted);
  void shape(const Weight* weight, const char* name, const Shape& wanted);  // an absent weight passes
  void float_dtype(const View& view, const char* name);                     // f32, bf16 or f16; an absent view passes
  void dtype(const View& view, const char* name, DType wanted);             // an absent view passes
  void dtype(const Weight* weight, const char* name, DType wanted);         // an absent weight passes
  void product_dtype(const Weight* weight, const char* name, DType x);      // x's, or int8
  void finite(float value, const char* name);
  // i32 [1, 1, count]; an absent view passes.
  void indices(const View& view, const char* name, int64_t count);

 private:
  std::string where_;
  Status status_;
};

}  // namespace qavit
