// The speed of multiplying and adding without memory: what benchmarks measure kernels by.
#pragma once

#include <string>

#include "core/dtype.h"
#include "core/status.h"

namespace qavit::cpu {

// 10^9 floating-point operations a second that `threads` threads reach together in registers, with the multiplication
// that matrix products of `dtype` (f32, bf16, int8) use on instruction set `isa`. Takes about half a second: the best
// of many slices, since other processes can only slow it down.
Status measure_peak(const std::string& isa, DType dtype, int threads, double* gflops);

}  // namespace qavit::cpu
