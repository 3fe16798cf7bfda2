// cp.async: copies of 16 bytes from global to shared memory that land later.
#pragma once

#include <cstdint>
#include <vector>

namespace qavit::cuda::emulation {

// One thread's copies. Each lands when the thread waits for its group and not before; until then its target holds NaNs.
class AsyncCopies {
 public:
  // Reads the source now (zeros where !valid). Both addresses are 16-byte aligned.
  void start(void* shared, const void* global, bool valid);
  void commit() { ++open_group_; }
  // Lands all but the copies of the `pending` groups committed last. Copies not committed stay on their way.
  void wait(uint64_t pending);
  // Lands everything.
  void wait_all();
  void clear();

 private:
  struct Copy {
    void* to;
    uint64_t group;
    unsigned char bytes[16];
  };

  void land(uint64_t end_group);

  uint64_t open_group_ = 0;
  std::vector<Copy> flying_;  // in the order of their groups
};

}  // namespace qavit::cuda::emulation
