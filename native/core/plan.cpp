#include "core/plan.h"

#include <atomic>
#include <cstring>

#include "core/arena.h"
#include "core/plan_checks.h"
#include "core/visit.h"

namespace qavit {

namespace {

uint64_t next_key() {
  static std::atomic<uint64_t> last{0};
  return last.fetch_add(1) + 1;
}

std::vector<Lifetime> lifetimes_of(const PlanDescription& description, const PlanFacts& facts) {
  std::vector<Lifetime> lifetimes(description.values.size());
  for (size_t i = 0; i < lifetimes.size(); ++i) {
    const PlanValue& value = description.values[i];
    if (value.kind == ValueKind::kIntermediate) lifetimes[i] = {value.bytes(), facts.first_use[i], facts.last_use[i]};
  }
  // Never touched: nothing to place.
  for (Lifetime& life : lifetimes) {
    if (life.first < 0) life.bytes = 0;
  }
  return lifetimes;
}

}  // namespace

Status Plan::compile(PlanDescription description, const Backend& backend, std::shared_ptr<const Plan>* plan) {
  PlanFacts facts;
  QAVIT_RETURN_IF_ERROR(check_plan(description, backend, &facts));
  auto layout = plan_arena(lifetimes_of(description, facts));
  if (!layout) {
    return expected(ErrorCode::kOutOfMemory, "intermediate values that fit in memory", "plan " + description.name,
                    "more");
  }
  const auto made = std::make_shared<Plan>();
  made->description_ = std::move(description);
  made->offsets_ = std::move(layout->offsets);
  made->index_rules_ = std::move(facts.index_rules);
  made->arena_bytes_ = layout->bytes;
  made->key_ = next_key();
  *plan = made;
  return Status();
}

Status Plan::check_indices(size_t input, const void* data) const {
  for (const IndexRule& rule : index_rules_) {
    if (rule.input != input) continue;
    const char* first = static_cast<const char*>(data) + rule.offset * static_cast<int64_t>(sizeof(int32_t));
    for (int64_t i = 0; i < rule.count; ++i) {
      int32_t number;
      std::memcpy(&number, first + i * static_cast<int64_t>(sizeof number), sizeof number);
      if (number < rule.low || number > rule.high) {
        return expected(ErrorCode::kArgument, std::to_string(rule.low) + " to " + std::to_string(rule.high),
                        rule.where + ", entry " + std::to_string(i), std::to_string(number));
      }
    }
  }
  return Status();
}

std::vector<OpParams> Plan::bind(void* arena, const std::vector<void*>& inputs,
                                 const std::vector<void*>& outputs) const {
  std::vector<char*> base(description_.values.size());
  for (size_t i = 0; i < base.size(); ++i) base[i] = static_cast<char*>(arena) + offsets_[i];
  for (size_t i = 0; i < inputs.size(); ++i)
    base[static_cast<size_t>(description_.inputs[i])] = static_cast<char*>(inputs[i]);
  for (size_t i = 0; i < outputs.size(); ++i)
    base[static_cast<size_t>(description_.outputs[i])] = static_cast<char*>(outputs[i]);

  std::vector<OpParams> bound;
  bound.reserve(description_.ops.size());
  for (const PlanOp& op : description_.ops) {
    OpParams params = op.params;
    std::visit(
        [&](auto& p) {
          size_t position = 0;
          for_each_view(p, [&](View& view, const char*, Access, bool) {
            const PlanOperand& operand = op.operands[position++];
            if (operand.value < 0) return;
            view.data = base[static_cast<size_t>(operand.value)] +
                        operand.offset * static_cast<int64_t>(dtype_size(view.dtype));
          });
        },
        params);
    bound.push_back(std::move(params));
  }
  return bound;
}

}  // namespace qavit
