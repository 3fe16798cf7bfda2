#include "cuda/emulation/settings.h"

#include <cstdlib>
#include <string>

namespace qavit::cuda::emulation {

uint64_t setting(const char* key, uint64_t otherwise) {
  const char* const all = std::getenv("QAVIT_EMULATION");
  if (all == nullptr) return otherwise;
  const std::string text = " " + std::string(all), sought = " " + std::string(key) + "=";
  const size_t at = text.find(sought);
  if (at == std::string::npos) return otherwise;
  return std::strtoull(text.c_str() + at + sought.size(), nullptr, 10);
}

}  // namespace qavit::cuda::emulation
