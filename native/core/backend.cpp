#include "core/backend.h"

namespace qavit {

Status Backend::run_all(const std::vector<OpParams>& ops, const AbortToken& abort, uint64_t /*plan_key*/) {
  for (const OpParams& params : ops) {
    if (abort.aborted()) return expected(ErrorCode::kAborted, "completion", op_name(params), abort.reason());
    QAVIT_RETURN_IF_ERROR(run(params));
  }
  return Status();
}

}  // namespace qavit
