// Backend: what a device must offer. One object a device, whose queue thread alone calls it, but for info(),
// statistics(), supports() and copy_out(), which any thread may call; so may any thread let go of the last reference to
// a Buffer or a Weight. A backend knows neither Node nor other backends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/abort.h"
#include "core/ops.h"
#include "core/status.h"
#include "core/weight.h"

namespace qavit {

struct DeviceInfo {
  std::string kind;           // "cpu", "reference", "cuda"
  std::string name;           // processor or GPU name
  std::string isa;            // "generic" | "avx2" | "avx512" | "avx512vnni" | "avx512bf16"; "" elsewhere
  int threads = 1;            // compute threads, the queue thread included
  std::vector<DType> dtypes;  // dtypes this device computes in: floats, fastest first, then int8 where there is one
  int ordinal = -1;           // which of several GPUs; -1 elsewhere
};

// How a device that records plans has run them so far.
struct RunStatistics {
  uint64_t launched = 0;      // runs that enqueued their operations one by one
  uint64_t recorded = 0;      // graphs recorded, or brought to other addresses
  uint64_t replayed = 0;      // runs that launched a graph
  double milliseconds = 0.0;  // of the device's own clock that runs took; 0 unless it was asked to measure
};

// A dense block of device memory.
class Buffer {
 public:
  virtual ~Buffer() = default;
  void* data = nullptr;  // device address
  size_t bytes = 0;
};

// A point in a device's work.
class Completion {
 public:
  virtual ~Completion() = default;

  // Waits until everything before the point is done; its error, if there was one. Once, on any thread.
  virtual Status wait() = 0;
};

class Backend {
 public:
  // Gets bytes [offset, offset + count) of what is copied out, at `from`; pieces come in order, each of whole elements.
  using Take = std::function<void(const char* from, size_t offset, size_t count)>;

  virtual ~Backend() = default;

  virtual DeviceInfo info() const = 0;

  // Nothing where plans are not recorded.
  virtual std::optional<RunStatistics> statistics() const { return std::nullopt; }

  // Working memory of its own that operations share, beside what allocate() has given.
  virtual size_t scratch_bytes() const { return 0; }

  // Packs a parameter. Large parameters are split over the threads.
  virtual Status upload(const WeightSource& source, std::shared_ptr<Weight>* weight) = 0;

  // Uninitialised, 64-byte aligned. ERR_OUT_OF_MEMORY when there is none.
  virtual Status allocate(size_t bytes, std::shared_ptr<Buffer>* buffer) = 0;
  virtual Status copy_in(const void* host, void* device, size_t bytes) = 0;
  // Of what was asked for later, nothing is waited for; of what was asked for before, see mark().
  virtual Status copy_out(const void* device, size_t bytes, const Take& take) = 0;

  // Whether run_all() and copy_in() return before their work is done, so that the next run can begin meanwhile.
  virtual bool runs_ahead() const { return false; }

  // The end of everything asked for so far; null where that is over.
  virtual Status mark(std::unique_ptr<Completion>* completion) {
    completion->reset();
    return Status();
  }

  // ERR_UNSUPPORTED or ERR_DTYPE where run() would not take these params (already validated; data pointers not set
  // yet).
  virtual Status supports(const OpParams& params) const = 0;

  // Computes one operation. `params` passed validate() and supports().
  virtual Status run(const OpParams& params) = 0;

  // While no job waits: a few milliseconds of work that makes later runs faster. False when none is
  // left.
  virtual bool idle() { return false; }

  // Computes a bound sequence, or begins to where runs_ahead(); `abort` is looked at between operations (ERR_ABORTED).
  // A backend that replays whole plans (CUDA graphs) overrides it; `plan_key` identifies the sequence for that.
  virtual Status run_all(const std::vector<OpParams>& ops, const AbortToken& abort, uint64_t plan_key);
};

}  // namespace qavit
