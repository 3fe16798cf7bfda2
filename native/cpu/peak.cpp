#include "cpu/peak.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <system_error>

#include "cpu/isa.h"
#include "cpu/thread_pool.h"

namespace qavit::cpu {

namespace {

// Shorter than a scheduler's time slice, and many: on a busy machine some find every thread on a core of its own.
constexpr double kSliceSeconds = 0.0015;
constexpr int kSlices = 250;

// Seconds that every thread of the pool takes, side by side, for `rounds` rounds.
double seconds_of(ThreadPool& pool, const KernelTable& kernels, DType dtype, int64_t rounds) {
  const auto start = std::chrono::steady_clock::now();
  pool.parallel_for(pool.size(), [&](int64_t, int) {
    volatile float sink = kernels.multiply_registers(dtype, rounds);
    static_cast<void>(sink);
  });
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Elements of the inner dimension that one round of multiply_registers takes.
int elements_of(const KernelTable& kernels, DType dtype) {
  if (dtype == DType::kInt8) return 4 / kernels.int8_row_words;
  return dtype == DType::kBF16 ? kernels.bf16_per_unit : 1;
}

double best_of_slices(ThreadPool& pool, const KernelTable& kernels, DType dtype) {
  const double operations = 2.0 * kernels.rows * kernels.columns * elements_of(kernels, dtype) * pool.size();
  constexpr int64_t kTrial = 20'000;
  const double trial = std::max(seconds_of(pool, kernels, dtype, kTrial), 1e-6);
  const auto rounds = static_cast<int64_t>(kTrial * kSliceSeconds / trial) + 1;
  double best = 0;
  for (int slice = 0; slice < kSlices; ++slice) {
    const double rate = operations * static_cast<double>(rounds) / seconds_of(pool, kernels, dtype, rounds);
    best = std::max(best, rate);
  }
  return best * 1e-9;
}

}  // namespace

Status measure_peak(const std::string& isa, DType dtype, int threads, double* gflops) {
  Isa chosen;
  QAVIT_RETURN_IF_ERROR(choose_isa(isa, &chosen));
  try {
    ThreadPool pool(threads);
    *gflops = best_of_slices(pool, kernels_of(chosen), dtype);
  } catch (const std::system_error& error) {
    return expected(ErrorCode::kOutOfMemory, std::to_string(threads) + " threads", "measuring the peak", error.what());
  } catch (const std::bad_alloc&) {
    return expected(ErrorCode::kOutOfMemory, "memory", "measuring the peak", "none");
  }
  return Status();
}

}  // namespace qavit::cpu
