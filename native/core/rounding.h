// Integer division that rounds up, of numbers >= 0. Not for kernels/*.inl, which call no inline function
// (simd/target.h).
#pragma once

namespace qavit {

template <typename A, typename B>
constexpr auto ceil_div(A a, B b) {
  return (a + b - 1) / b;
}

// The next multiple of b.
template <typename A, typename B>
constexpr auto round_up(A a, B b) {
  return ceil_div(a, b) * b;
}

}  // namespace qavit
