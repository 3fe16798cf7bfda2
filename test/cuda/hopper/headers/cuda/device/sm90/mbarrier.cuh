// An mbarrier as the PTX manual describes it, in the 8 bytes that kernels keep for one.
#pragma once

#include "cuda/device/shared.cuh"

namespace qavit::cuda::sm90 {

struct alignas(8) Mbarrier {
  uint8_t arrivals, pending;
  uint16_t phase;  // modulo 2
  int32_t bytes;   // still expected

  void init(uint32_t count) {
    if (count == 0 || count > 255) emulation::fault("a barrier of no arrivals, or of more than the model counts");
    *this = {static_cast<uint8_t>(count), static_cast<uint8_t>(count), 0, 0};
  }
  void arrive() { arrive_and_expect(0); }
  void arrive_and_expect(uint32_t count) {
    if (pending == 0) emulation::fault("more arrivals than the barrier counts");
    if (count >= 1 << 20) emulation::fault("more bytes than a barrier can count");
    bytes += static_cast<int32_t>(count);
    --pending;
    complete();
  }
  void deliver(uint32_t count) {
    bytes -= static_cast<int32_t>(count);
    if (bytes < 0) emulation::fault("more bytes than the barrier expects");
    complete();
  }
  void wait(uint32_t parity) {
    emulation::wait_until([this, parity] { return phase != parity; });
  }

 private:
  void complete() {
    if (pending > 0 || bytes > 0) return;
    pending = arrivals;
    phase ^= 1;
  }
};
static_assert(sizeof(Mbarrier) == 8);

inline void publish_barriers() {}

}  // namespace qavit::cuda::sm90
