// Activation functions of core/ops.h, on a GPU in two exactnesses.
//
//   activate           every dtype: relative error around 1e-6 of the function's argument or result, whichever is
//                      larger. Two of the special function unit's instructions where the formula has an exponential.
//   activate_narrow    for results that are rounded to bf16: quick_gelu, silu and gelu_tanh with one such instruction,
//                      relative error of the result 2^-14.
// sigmoid(x) = (1 + tanh(x / 2)) / 2, so all three are x sigmoid(...). tanh.approx would be one instruction in all, but
// its error of 2^-11 is one of 1 + tanh: where x is negative, as most of what meets an activation in a trained tower
// is, little is left of the result, and the error of bf16 itself would be exceeded several times. Division is
// __fdividef: a plain one calls a slow path. Under emulation the special functions are exact, the rest is as here.
#pragma once

#include <cfloat>
#include <cmath>

#include "core/ops.h"
#include "cuda/device/exp2.cuh"
#include "cuda/runtime.h"

namespace qavit::cuda {

namespace activation {

constexpr float kLog2E = 1.44269504f;
constexpr float kSqrtHalf = 0.70710678118654752f;
constexpr float kQuickGelu = 1.702f;
// gelu_tanh(x) = x sigmoid(kTanhLinear x + kTanhCubic x^3): twice what stands inside its tanh.
constexpr float kTanhLinear = 1.59576912160573071f;  // 2 sqrt(2 / pi)
constexpr float kTanhCubic = 0.044715f * kTanhLinear;

__device__ inline float times_sigmoid(float x, float argument) {
#ifdef QAVIT_CUDA_EMULATION
  return x / (1.0f + std::exp(-argument));
#else
  return __fdividef(x, 1.0f + __expf(-argument));
#endif
}

// With u = e^-|argument|, which is at most 1: sigmoid is 1 / (1 + u) for arguments above 0 and u / (1 + u) below. The
// division is a polynomial, 1 at u = 0, and nowhere wrong by more than 2^-14 of itself.
__device__ inline float times_sigmoid_narrow(float x, float argument) {
  const float u = exp2_approximate(-kLog2E * fabsf(argument));
  float divided = fmaf(-0.10911247f, u, 0.43077660f);
  divided = fmaf(divided, u, -0.78354019f);
  divided = fmaf(divided, u, 0.95915473f);
  divided = fmaf(divided, u, -0.99730819f);
  divided = fmaf(divided, u, 1.0f);
  return x * (argument < 0.0f ? u * divided : divided);
}

#ifdef QAVIT_CUDA_EMULATION

inline float gelu_erf(float x) { return 0.5f * x * (1.0f + std::erf(x * kSqrtHalf)); }

#else

// erfc(z) = polynomial(1 / (1 + p z)) exp(-z^2) for z >= 0, wrong by 1.5e-7 (Abramowitz and Stegun, 7.1.26), with no
// branch, unlike erff. With z = |x| / sqrt 2: gelu(x) = x - x erfc(z) / 2 for x >= 0, x erfc(z) / 2 otherwise.
__device__ inline float gelu_erf(float x) {
  const float z = fabsf(x) * kSqrtHalf;
  const float t = __fdividef(1.0f, fmaf(0.3275911f, z, 1.0f));
  float tail = fmaf(1.061405429f, t, -1.453152027f);
  tail = fmaf(tail, t, 1.421413741f);
  tail = fmaf(tail, t, -0.284496736f);
  tail = fmaf(tail, t, 0.254829592f);
  tail *= 0.5f * t * __expf(-z * z);
  // Infinity times a tail of zero would be NaN.
  return x >= 0.0f ? fmaf(-fminf(x, FLT_MAX), tail, x) : x * tail;
}

#endif

}  // namespace activation

template <Activation kActivation>
__device__ inline float activate(float x) {
  using namespace activation;
  if constexpr (kActivation == Activation::kRelu) return x < 0.0f ? 0.0f : x;  // keeps NaN
  if constexpr (kActivation == Activation::kGeluErf) return gelu_erf(x);
  if constexpr (kActivation == Activation::kGeluTanh) return times_sigmoid(x, x * fmaf(kTanhCubic, x * x, kTanhLinear));
  if constexpr (kActivation == Activation::kQuickGelu) return times_sigmoid(x, kQuickGelu * x);
  if constexpr (kActivation == Activation::kSilu) return times_sigmoid(x, x);
  if constexpr (kActivation == Activation::kTanh) return tanhf(x);
  return x;
}

template <Activation kActivation>
__device__ inline float activate_narrow(float x) {
  using namespace activation;
  if constexpr (kActivation == Activation::kGeluTanh) {
    return times_sigmoid_narrow(x, x * fmaf(kTanhCubic, x * x, kTanhLinear));
  } else if constexpr (kActivation == Activation::kQuickGelu) {
    return times_sigmoid_narrow(x, kQuickGelu * x);
  } else if constexpr (kActivation == Activation::kSilu) {
    return times_sigmoid_narrow(x, x);
  } else {
    return activate<kActivation>(x);
  }
}

// The same with the function known at run time: one branch, which all threads take alike.
__device__ inline float activate(float x, Activation function) {
  switch (function) {
    case Activation::kNone:
      return x;
    case Activation::kRelu:
      return activate<Activation::kRelu>(x);
    case Activation::kGeluErf:
      return activate<Activation::kGeluErf>(x);
    case Activation::kGeluTanh:
      return activate<Activation::kGeluTanh>(x);
    case Activation::kQuickGelu:
      return activate<Activation::kQuickGelu>(x);
    case Activation::kSilu:
      return activate<Activation::kSilu>(x);
    case Activation::kTanh:
      return activate<Activation::kTanh>(x);
  }
  return x;
}

}  // namespace qavit::cuda
