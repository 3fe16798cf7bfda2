#include "core/job.h"

#include <exception>
#include <new>

namespace qavit {

namespace {

template <typename Part>
Status caught(const std::string& where, const Part& part) {
  try {
    return part();
  } catch (const std::bad_alloc&) {
    return expected(ErrorCode::kOutOfMemory, "memory", where, "none from the allocator");
  } catch (const std::exception& error) {
    return expected(ErrorCode::kDevice, "completion", where, error.what());
  }
}

}  // namespace

void Job::begin(const std::atomic<bool>* closing) {
  const AbortToken token(abort.get(), closing);
  if (token.aborted()) {
    status = expected(ErrorCode::kAborted, "completion", where, token.reason());
    return;
  }
  status = caught(where, [&] { return run(token); });
}

void Job::end() {
  if (status.ok()) status = caught(where, [&] { return finish(); });
}

}  // namespace qavit
