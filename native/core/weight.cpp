#include "core/weight.h"

namespace qavit {

const char* role_name(WeightRole role) {
  switch (role) {
    case WeightRole::kMatrix:
      return "matrix";
    case WeightRole::kVector:
      return "vector";
    case WeightRole::kTable:
      return "table";
  }
  return "";
}

}  // namespace qavit
