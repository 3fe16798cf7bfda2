// The checks of Plan::compile, apart from the layout: is a description consistent, and does every read find something
// written?
#pragma once

#include <vector>

#include "core/plan.h"

namespace qavit {

// What the checks learn about a description on the way.
struct PlanFacts {
  std::vector<IndexRule> index_rules;
  std::vector<int32_t> first_use;  // by ValueId: index of the first operation that touches it, -1 = none
  std::vector<int32_t> last_use;
};

Status check_plan(const PlanDescription& description, const Backend& backend, PlanFacts* facts);

}  // namespace qavit
