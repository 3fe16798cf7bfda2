// Which instruction sets this processor and operating system offer, and the kernels that go with each.
#pragma once

#include <string>
#include <vector>

#include "core/names.h"
#include "core/status.h"
#include "cpu/kernels.h"

namespace qavit::cpu {

enum class Isa : uint8_t { kGeneric, kAvx2, kAvx512, kAvx512Vnni, kAvx512Bf16, kNeon, kNeonDot, kNeonBf16 };

inline constexpr Named<Isa> kIsaNames[] = {{Isa::kGeneric, "generic"},       {Isa::kAvx2, "avx2"},
                                           {Isa::kAvx512, "avx512"},         {Isa::kAvx512Vnni, "avx512vnni"},
                                           {Isa::kAvx512Bf16, "avx512bf16"}, {Isa::kNeon, "neon"},
                                           {Isa::kNeonDot, "neondot"},       {Isa::kNeonBf16, "neonbf16"}};

constexpr const char* isa_name(Isa isa) { return name_of(kIsaNames, isa); }

// Slowest first; never empty. Asks the processor once.
const std::vector<Isa>& available_isas();

const KernelTable& kernels_of(Isa isa);

// `name` decides; else the environment variable QAVIT_CPU; else the fastest. ERR_UNSUPPORTED for what is not available.
Status choose_isa(const std::string& name, Isa* isa);

// The processor's model as it names itself.
std::string processor_name();

}  // namespace qavit::cpu
