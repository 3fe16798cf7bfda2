// relu        max(x, 0)
// gelu_erf    x/2 (1 + erf(x / sqrt 2))
// gelu_tanh   x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
// quick_gelu  x sigmoid(1.702 x)
// silu        x sigmoid(x)
#include <cmath>

#include "reference/operations.h"

namespace qavit::reference {

double activate(Activation activation, double x) {
  constexpr double kSqrtHalf = 0.70710678118654752440;
  constexpr double kSqrtTwoOverPi = 0.79788456080286535588;
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kRelu:
      return x < 0 ? 0 : x;  // keeps NaN
    case Activation::kGeluErf:
      return 0.5 * x * (1 + std::erf(x * kSqrtHalf));
    case Activation::kGeluTanh:
      return 0.5 * x * (1 + std::tanh(kSqrtTwoOverPi * (x + 0.044715 * x * x * x)));
    case Activation::kQuickGelu:
      return x / (1 + std::exp(-1.702 * x));
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kTanh:
      return std::tanh(x);
  }
  return x;
}

}  // namespace qavit::reference
