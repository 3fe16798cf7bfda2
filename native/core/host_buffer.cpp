#include "core/host_buffer.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <new>

#ifdef __unix__
#include <unistd.h>
#endif

#include "core/arena.h"
#include "core/cgroup.h"

namespace qavit {

namespace {

class HostBuffer : public Buffer {
 public:
  explicit HostBuffer(size_t size) {
    data = ::operator new(size, std::align_val_t(kAlignment), std::nothrow);
    bytes = data != nullptr ? size : 0;
  }
  ~HostBuffer() override { ::operator delete(data, std::align_val_t(kAlignment)); }
  HostBuffer(const HostBuffer&) = delete;
  HostBuffer& operator=(const HostBuffer&) = delete;
};

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

}  // namespace

size_t host_memory_limit() {
  size_t limit = physical_memory();
  for (const std::string& folder : cgroup_folders("memory")) {
    for (const char* const file : {"/memory.max", "/memory.limit_in_bytes"}) {
      limit = std::min(limit, read_limit(folder + file));
    }
  }
  return limit;
}

Status check_host_memory(size_t bytes, const std::string& where) {
  // Small blocks skip the look at the limits, which reads files.
  constexpr size_t kSurelyThere = size_t{64} << 20;
  if (bytes <= kSurelyThere) return Status();
  const size_t limit = host_memory_limit();
  if (bytes <= limit) return Status();
  return expected(ErrorCode::kOutOfMemory, std::to_string(bytes) + " bytes", where,
                  "a limit of " + std::to_string(limit));
}

Status allocate_host_buffer(size_t bytes, std::shared_ptr<Buffer>* buffer) {
  QAVIT_RETURN_IF_ERROR(check_host_memory(bytes, "working memory"));
  auto made = std::make_shared<HostBuffer>(bytes > 0 ? bytes : 1);
  if (made->data == nullptr) {
    return expected(ErrorCode::kOutOfMemory, std::to_string(bytes) + " bytes", "working memory",
                    "none from the allocator");
  }
  *buffer = std::move(made);
  return Status();
}

}  // namespace qavit
