#include "cpu/isa.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "cpu/kernel_tables.h"

#if QAVIT_CPU_X86
#include <cpuid.h>
#elif QAVIT_CPU_ARM64 && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif QAVIT_CPU_ARM64 && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace qavit::cpu {

namespace {

#if QAVIT_CPU_X86
struct Registers {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// Zeros where the processor does not know the leaf.
Registers cpuid(uint32_t leaf, uint32_t subleaf = 0) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

// Which register files the operating system saves on a context switch. The intrinsic needs -mxsave; this file has no
// flags.
uint64_t enabled_state() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

bool bit(uint32_t value, int n) { return ((value >> n) & 1u) != 0; }

std::vector<Isa> detect() {
  std::vector<Isa> found = {Isa::kGeneric};
  const Registers basic = cpuid(1);
  const bool saves_state = bit(basic.ecx, 27);  // OSXSAVE
  const uint64_t state = saves_state ? enabled_state() : 0;
  const Registers extended = cpuid(7);
  const bool ymm = (state & 0x6u) == 0x6u;  // xmm, ymm
  const bool avx2 =
      bit(basic.ecx, 28) && bit(basic.ecx, 12) && bit(basic.ecx, 29) && bit(extended.ebx, 5);  // AVX, FMA, F16C, AVX2
  if (!ymm || !avx2) return found;
  found.push_back(Isa::kAvx2);
  const bool zmm = (state & 0xe6u) == 0xe6u;  // and opmask, upper halves, zmm16-31
  const bool avx512 =
      bit(extended.ebx, 16) && bit(extended.ebx, 17) && bit(extended.ebx, 30) && bit(extended.ebx, 31);  // F DQ BW VL
  if (!zmm || !avx512) return found;
  found.push_back(Isa::kAvx512);
  if (!bit(extended.ecx, 11)) return found;  // AVX512_VNNI, which every processor with AVX512_BF16 has
  found.push_back(Isa::kAvx512Vnni);
  if (bit(cpuid(7, 1).eax, 5)) found.push_back(Isa::kAvx512Bf16);
  return found;
}
#elif QAVIT_CPU_ARM64
#if defined(__linux__)
bool has_dot() { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }
bool has_bf16() { return (getauxval(AT_HWCAP2) & HWCAP2_BF16) != 0; }
#elif defined(__APPLE__)
bool has_feature(const char* name) {
  int value = 0;
  size_t size = sizeof value;
  return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
}
bool has_dot() { return has_feature("hw.optional.arm.FEAT_DotProd"); }
bool has_bf16() { return has_feature("hw.optional.arm.FEAT_BF16"); }
#else
bool has_dot() { return false; }
bool has_bf16() { return false; }
#endif

std::vector<Isa> detect() {
  std::vector<Isa> found = {Isa::kGeneric, Isa::kNeon};
#if QAVIT_CPU_ARM64_DOT
  if (!has_dot()) return found;
  found.push_back(Isa::kNeonDot);
  if (has_bf16()) found.push_back(Isa::kNeonBf16);
#endif
  return found;
}
#else
std::vector<Isa> detect() { return {Isa::kGeneric}; }
#endif

}  // namespace

const std::vector<Isa>& available_isas() {
  static const std::vector<Isa> isas = detect();
  return isas;
}

const KernelTable& kernels_of(Isa isa) {
#if QAVIT_CPU_X86
  if (isa == Isa::kAvx2) return avx2_kernels();
  if (isa == Isa::kAvx512) return avx512_kernels();
  if (isa == Isa::kAvx512Vnni) return avx512vnni_kernels();
  if (isa == Isa::kAvx512Bf16) return avx512bf16_kernels();
#endif
#if QAVIT_CPU_ARM64
  if (isa == Isa::kNeon) return neon_kernels();
#endif
#if QAVIT_CPU_ARM64_DOT
  if (isa == Isa::kNeonDot) return neondot_kernels();
  if (isa == Isa::kNeonBf16) return neonbf16_kernels();
#endif
  static_cast<void>(isa);
  return generic_kernels();
}

Status choose_isa(const std::string& name, Isa* isa) {
  const char* environment = std::getenv("QAVIT_CPU");
  const bool from_environment = name.empty() && environment != nullptr && environment[0] != '\0';
  const std::string wanted = from_environment ? environment : name;
  const std::vector<Isa>& available = available_isas();
  if (wanted.empty()) {
    *isa = available.back();
    return Status();
  }
  for (const Isa candidate : available) {
    if (wanted == isa_name(candidate)) {
      *isa = candidate;
      return Status();
    }
  }
  return expected(ErrorCode::kUnsupported, "an instruction set of this processor (" + listed(available, isa_name) + ")",
                  from_environment ? "QAVIT_CPU" : "isa", wanted);
}

std::string processor_name() {
#if QAVIT_CPU_X86
  if (cpuid(0x80000000u).eax >= 0x80000004u) {
    char brand[49] = {};
    for (uint32_t leaf = 0; leaf < 3; ++leaf) {
      const Registers r = cpuid(0x80000002u + leaf);
      std::memcpy(brand + leaf * 16, &r, sizeof r);
    }
    const std::string name = brand;
    const size_t begin = name.find_first_not_of(' ');
    return begin == std::string::npos ? "x86-64" : name.substr(begin, name.find_last_not_of(' ') + 1 - begin);
  }
  return "x86-64";
#elif defined(__aarch64__) || defined(_M_ARM64)
  return "arm64";
#else
  return "cpu";
#endif
}

}  // namespace qavit::cpu
