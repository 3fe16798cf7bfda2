// The CPU backend: packed, blocked kernels in five instruction-set variants, one of which is chosen when the backend is
// made.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/backend.h"
#include "core/status.h"

namespace qavit::cpu {

constexpr int kMaxThreads = 256;

struct CpuOptions {
  int threads = 0;  // compute threads, the queue thread included; 0 = as many as affinity and cgroup allow
  std::string isa;  // "generic" | "avx2" | "avx512" | "avx512vnni" | "avx512bf16"; "" = QAVIT_CPU if set, else the best
                    // there is
};

// Null, with *status saying why, when the instruction set is unknown or not on this processor (ERR_UNSUPPORTED), when
// `threads` is out of range (ERR_ARGUMENT) or when threads cannot be started (ERR_OUT_OF_MEMORY).
std::unique_ptr<Backend> make_cpu_backend(const CpuOptions& options, Status* status);

// The instruction sets this processor and operating system offer, slowest ("generic") first.
std::vector<std::string> supported_isas();

}  // namespace qavit::cpu
