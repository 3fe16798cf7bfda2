// Which instruction sets this processor and operating system offer, and the kernels that go with each.
#pragma once

#include <string>
#include <vector>

#include "core/status.h"
#include "cpu/kernels.h"

namespace qavit::cpu {

enum class Isa : uint8_t { kGeneric, kAvx2, kAvx512, kAvx512Vnni, kAvx512Bf16 };

const char* isa_name(Isa isa);

// Slowest first; never empty. Asks the processor once.
const std::vector<Isa>& available_isas();

const KernelTable& kernels_of(Isa isa);

// `name` decides; else the environment variable QAVIT_CPU; else the fastest. ERR_UNSUPPORTED for what is not available.
Status choose_isa(const std::string& name, Isa* isa);

// The processor's model as it names itself.
std::string processor_name();

}  // namespace qavit::cpu
