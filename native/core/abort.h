// AbortToken: what running work looks at to learn that nobody wants its result any more.
#pragma once

#include <atomic>

namespace qavit {

// Two independent reasons: the caller's request and the device's end. Borrowed flags; either may be null.
class AbortToken {
 public:
  AbortToken(const std::atomic<bool>* requested, const std::atomic<bool>* closing)
      : requested_(requested), closing_(closing) {}

  bool requested() const { return requested_ != nullptr && requested_->load(std::memory_order_relaxed); }
  bool closing() const { return closing_ != nullptr && closing_->load(std::memory_order_relaxed); }
  bool aborted() const { return requested() || closing(); }

  // The words of ERR_ABORTED.
  const char* reason() const { return closing() ? "the closing of the device" : "a request to abort"; }

 private:
  const std::atomic<bool>* requested_;
  const std::atomic<bool>* closing_;
};

}  // namespace qavit
