// activate_narrow(), whose results are rounded to bf16, against the formulas in float64: how far it is from each
// result, the smallest included, and what it makes of infinities and NaN.
#include "cuda/device/activation.cuh"

#include <cmath>
#include <cstdio>
#include <string>

#include "reference/operations.h"
#include "tests.h"

namespace qavit::cuda::test {

namespace {

using reference::activate;

template <Activation kActivation>
std::string check_numbers() {
  constexpr double kAllowed = 0x1p-13;  // bf16 rounds by up to 2^-9
  // Further down the formula with a tanh has no digits left in float64.
  for (float x = -6.0f; x <= 60.0f; x += 1.0f / 128) {
    const double wanted = activate(kActivation, x);
    const double found = activate_narrow<kActivation>(x);
    if (std::abs(found - wanted) <= kAllowed * std::abs(wanted)) continue;
    return std::to_string(found) + " for " + std::to_string(x) + ", not " + std::to_string(wanted);
  }
  return "";
}

template <Activation kActivation>
std::string check_extremes() {
  for (const float x : {INFINITY, -INFINITY, NAN, 3e38f, -3e38f, 1e20f, -1e20f, 1e-40f, -1e-40f}) {
    const double wanted = activate(kActivation, x), found = activate_narrow<kActivation>(x);
    if (std::isnan(wanted) ? std::isnan(found) : found == wanted) continue;
    if (std::abs(found - wanted) <= 1e-6 * std::abs(wanted) + 1e-40) continue;
    return std::to_string(found) + " for " + std::to_string(x) + ", not " + std::to_string(wanted);
  }
  return "";
}

int report(const char* name, const std::string& wrong) {
  std::printf("%s: %s in bf16%s%s\n", wrong.empty() ? "ok" : "FAILED", name, wrong.empty() ? "" : ": ", wrong.c_str());
  return wrong.empty() ? 0 : 1;
}

template <Activation kActivation>
int test(const char* name) {
  return report(name, check_numbers<kActivation>() + check_extremes<kActivation>());
}

}  // namespace

int test_activations() {
  return test<Activation::kQuickGelu>("quick_gelu") + test<Activation::kSilu>("silu") +
         test<Activation::kGeluTanh>("gelu_tanh");
}

}  // namespace qavit::cuda::test
