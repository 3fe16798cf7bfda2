#include "addon/cpu_peak.h"

#include "addon/arguments.h"
#include "addon/errors.h"
#include "cpu/cpu_backend.h"
#include "cpu/peak.h"

namespace qavit::addon {

namespace {

Napi::Value cpu_peak(const Napi::CallbackInfo& info) {
  return guard(info.Env(), "cpuPeak", [&]() -> Napi::Value {
    const std::string isa = read_string(info[0], "isa of cpuPeak");
    const DType dtype = read_compute_dtype(info[1], "dtype of cpuPeak");
    if (dtype != DType::kF32 && dtype != DType::kBF16 && dtype != DType::kInt8) {
      reject(ErrorCode::kDType, "f32, bf16 or int8", "dtype of cpuPeak", dtype_name(dtype));
    }
    const auto threads = static_cast<int>(read_integer(info[2], "threads of cpuPeak", 1, cpu::kMaxThreads));
    double gflops = 0;
    check(cpu::measure_peak(isa, dtype, threads, &gflops));
    return Napi::Number::New(info.Env(), gflops);
  });
}

}  // namespace

void define_cpu_peak(Napi::Env env, Napi::Object exports) {
  exports.Set("cpuPeak", Napi::Function::New<cpu_peak>(env, "cpuPeak"));
}

}  // namespace qavit::addon
