#include "core/host_buffer.h"

#include <new>
#include <string>

#include "core/arena.h"
#include "core/memory_limit.h"

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

}  // namespace

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
