#include "core/memory_limit.h"

#include <algorithm>
#include <cstdint>
#include <fstream>

#ifdef __unix__
#include <unistd.h>
#endif

#include "core/cgroup.h"

namespace qavit {

namespace {

// The number a cgroup file holds; SIZE_MAX for "max" or no such file.
size_t read_limit(const std::string& path) {
  uint64_t limit = 0;
  return std::ifstream(path) >> limit ? static_cast<size_t>(limit) : SIZE_MAX;
}

size_t physical_memory() {
#ifdef __unix__
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page = sysconf(_SC_PAGE_SIZE);
  if (pages > 0 && page > 0) return static_cast<size_t>(pages) * static_cast<size_t>(page);
#endif
  return SIZE_MAX;
}

// Physical memory, or the lowest limit of the process's cgroups where that is lower; SIZE_MAX where unknown.
size_t memory_limit() {
  size_t limit = physical_memory();
  for (const std::string& folder : cgroup_folders("memory")) {
    for (const char* const file : {"/memory.max", "/memory.limit_in_bytes"}) {
      limit = std::min(limit, read_limit(folder + file));
    }
  }
  return limit;
}

}  // namespace

Status check_host_memory(size_t bytes, const std::string& where) {
  // Small blocks skip the look at the limits, which reads files.
  constexpr size_t kSurelyThere = size_t{64} << 20;
  if (bytes <= kSurelyThere) return Status();
  const size_t limit = memory_limit();
  if (bytes <= limit) return Status();
  return expected(ErrorCode::kOutOfMemory, std::to_string(bytes) + " bytes", where,
                  "a limit of " + std::to_string(limit));
}

}  // namespace qavit
