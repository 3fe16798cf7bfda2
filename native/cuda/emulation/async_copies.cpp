#include "cuda/emulation/async_copies.h"

#include <cstring>

#include "cuda/emulation/block.h"

namespace qavit::cuda::emulation {

void AsyncCopies::start(void* shared, const void* global, bool valid) {
  Copy copy = {shared, open_group_, {}};
  constexpr size_t kBytes = sizeof copy.bytes;
  if (reinterpret_cast<uintptr_t>(shared) % kBytes != 0) fault("cp.async to shared memory that is not 16-byte aligned");
  if (!current->block->shared().holds(shared, kBytes)) fault("cp.async to an address outside of shared memory");
  if (valid) {
    if (reinterpret_cast<uintptr_t>(global) % kBytes != 0) {
      fault("cp.async from global memory that is not 16-byte aligned");
    }
    std::memcpy(copy.bytes, global, kBytes);
  }
  std::memset(shared, 0xff, kBytes);
  flying_.push_back(copy);
}

void AsyncCopies::wait(uint64_t pending) { land(open_group_ > pending ? open_group_ - pending : 0); }

void AsyncCopies::wait_all() { land(open_group_ + 1); }

void AsyncCopies::land(uint64_t end_group) {
  auto first = flying_.begin();
  for (; first != flying_.end() && first->group < end_group; ++first) {
    std::memcpy(first->to, first->bytes, sizeof first->bytes);
  }
  flying_.erase(flying_.begin(), first);
}

void AsyncCopies::clear() {
  flying_.clear();
  open_group_ = 0;
}

}  // namespace qavit::cuda::emulation
