#include "core/plan_checks.h"

#include <cstring>

#include "core/region.h"
#include "core/shape.h"
#include "core/validate.h"
#include "core/visit.h"

namespace qavit {

namespace {

// Layout and bookkeeping are quadratic at worst; the deepest towers need a few hundred of each.
constexpr size_t kMaxValues = size_t{1} << 14;
constexpr size_t kMaxOps = size_t{1} << 14;

// "an input"
std::string described(ValueKind kind) {
  return (kind == ValueKind::kState ? "a " : "an ") + std::string(name_of(kValueKindNames, kind));
}

bool same_layout(const View& a, const View& b) {
  return a.dtype == b.dtype && shape_of(a) == shape_of(b) && a.batch_stride == b.batch_stride &&
         a.row_stride == b.row_stride;
}

class PlanChecker {
 public:
  PlanChecker(const PlanDescription& description, const Backend& backend, PlanFacts* facts)
      : description_(description), backend_(backend), facts_(*facts), written_(description.values.size()) {}

  Status run() {
    QAVIT_RETURN_IF_ERROR(check_values());
    facts_.first_use.assign(description_.values.size(), -1);
    facts_.last_use.assign(description_.values.size(), -1);
    input_position_.assign(description_.values.size(), -1);
    const auto given = [](ValueKind kind) { return kind == ValueKind::kInput || kind == ValueKind::kState; };
    const auto returned = [](ValueKind kind) { return kind == ValueKind::kOutput; };
    QAVIT_RETURN_IF_ERROR(check_ends(description_.inputs, "an input", "the inputs of ", given));
    QAVIT_RETURN_IF_ERROR(check_ends(description_.outputs, "an output", "the outputs of ", returned));
    for (size_t i = 0; i < description_.inputs.size(); ++i) {
      input_position_[static_cast<size_t>(description_.inputs[i])] = static_cast<int64_t>(i);
    }
    for (size_t i = 0; i < description_.ops.size(); ++i) QAVIT_RETURN_IF_ERROR(check_op(i));
    return check_outputs_written();
  }

 private:
  std::string plan() const { return "plan " + description_.name; }

  Status check_values() const {
    if (description_.values.size() > kMaxValues) {
      return expected(ErrorCode::kArgument, "at most " + std::to_string(kMaxValues) + " values", plan(),
                      std::to_string(description_.values.size()));
    }
    if (description_.ops.empty() || description_.ops.size() > kMaxOps) {
      return expected(ErrorCode::kArgument, "1 to " + std::to_string(kMaxOps) + " operations", plan(),
                      std::to_string(description_.ops.size()));
    }
    for (size_t i = 0; i < description_.values.size(); ++i) {
      const PlanValue& value = description_.values[i];
      const Shape shape = {value.batch, value.rows, value.cols};
      if (!checked_elements(shape, value.dtype)) {
        return expected(ErrorCode::kShape, "a shape with dimensions >= 1 that fits in memory",
                        "value " + std::to_string(i) + " of " + plan(), to_string(shape));
      }
    }
    return Status();
  }

  // The list names every value of its kinds exactly once.
  template <typename Belongs>
  Status check_ends(const std::vector<ValueId>& ids, const char* name, const char* list, Belongs&& belongs) const {
    std::vector<bool> listed(description_.values.size(), false);
    const std::string where = list + plan();
    for (const ValueId id : ids) {
      if (id < 0 || static_cast<size_t>(id) >= description_.values.size()) {
        return expected(ErrorCode::kArgument, "the number of a value", where, std::to_string(id));
      }
      const PlanValue& value = description_.values[static_cast<size_t>(id)];
      if (!belongs(value.kind) || listed[static_cast<size_t>(id)]) {
        return expected(
            ErrorCode::kArgument, std::string(name) + " listed once", where,
            "value " + std::to_string(id) + ", " + (belongs(value.kind) ? "listed twice" : described(value.kind)));
      }
      listed[static_cast<size_t>(id)] = true;
    }
    for (size_t i = 0; i < listed.size(); ++i) {
      if (belongs(description_.values[i].kind) && !listed[i]) {
        return expected(ErrorCode::kArgument, "every value of its kind", where,
                        "a list without value " + std::to_string(i));
      }
    }
    return Status();
  }

  Status check_op(size_t index) {
    const PlanOp& op = description_.ops[index];
    const std::string where = op.where();
    QAVIT_RETURN_IF_ERROR(validate(op.params, where));
    QAVIT_RETURN_IF_ERROR(std::visit([&](const auto& p) { return check_operands(p, op, index, where); }, op.params));
    QAVIT_RETURN_IF_ERROR(std::visit([&](const auto& p) { return note_index_rules(p, op, where); }, op.params));
    const Status supported = backend_.supports(op.params);
    if (!supported.ok()) return Status(supported.code(), supported.message() + " (" + where + ")");
    return Status();
  }

  template <typename Params>
  Status check_operands(const Params& p, const PlanOp& op, size_t index, const std::string& where) {
    struct Seen {
      const View* view;
      const char* name;
      Access access;
      PlanOperand operand;
    };
    std::vector<Seen> seen;
    size_t count = 0;
    for_each_view(p, [&](const View& view, const char* name, Access access, bool) {
      if (count < op.operands.size()) seen.push_back({&view, name, access, op.operands[count]});
      ++count;
    });
    if (count != op.operands.size()) {
      return expected(ErrorCode::kArgument, std::to_string(count) + " operands", where,
                      std::to_string(op.operands.size()));
    }
    for (const Seen& s : seen) {
      if (s.view->present() != (s.operand.value >= 0)) {
        return expected(ErrorCode::kArgument, std::string("a value behind ") + s.name, where,
                        s.view->present() ? "none" : "one");
      }
      if (s.view->present()) QAVIT_RETURN_IF_ERROR(check_inside(*s.view, s.name, s.operand, where));
    }
    // Reads first: an operation must not find its own output written.
    for (const Seen& s : seen) {
      if (s.view->present() && s.access == Access::kRead)
        QAVIT_RETURN_IF_ERROR(check_read(*s.view, s.name, s.operand, where));
    }
    for (const Seen& s : seen) {
      if (!s.view->present()) continue;
      const auto id = static_cast<size_t>(s.operand.value);
      if (facts_.first_use[id] < 0) facts_.first_use[id] = static_cast<int32_t>(index);
      facts_.last_use[id] = static_cast<int32_t>(index);
      if (s.access == Access::kRead) continue;
      for (const Seen& other : seen) {
        if (&other == &s || !other.view->present() || other.operand.value != s.operand.value) continue;
        const bool in_place = std::strcmp(other.name, "residual") == 0 && other.operand.offset == s.operand.offset &&
                              same_layout(*other.view, *s.view);
        if (!in_place && may_overlap(*s.view, s.operand.offset, *other.view, other.operand.offset)) {
          return expected(ErrorCode::kArgument, std::string(s.name) + " apart from " + other.name, where,
                          "views that overlap");
        }
      }
      QAVIT_RETURN_IF_ERROR(s.access == Access::kUpdate ? check_update(s.name, s.operand, where)
                                                        : check_write(*s.view, s.name, s.operand, where));
    }
    return Status();
  }

  Status check_inside(const View& view, const char* name, const PlanOperand& operand, const std::string& where) const {
    if (static_cast<size_t>(operand.value) >= description_.values.size()) {
      return expected(ErrorCode::kArgument, std::string("the number of a value behind ") + name, where,
                      std::to_string(operand.value));
    }
    const PlanValue& value = description_.values[static_cast<size_t>(operand.value)];
    const std::string of_value =
        "value " + std::to_string(operand.value) + " " + to_string(Shape{value.batch, value.rows, value.cols});
    if (view.dtype != value.dtype) {
      return expected(ErrorCode::kDType, std::string(name) + " in the " + dtype_name(value.dtype) + " of " + of_value,
                      where, dtype_name(view.dtype));
    }
    const auto extent = checked_extent(view);  // present: validate() has seen the view
    if (operand.offset < 0 || operand.offset > value.elements() || *extent > value.elements() - operand.offset) {
      return expected(ErrorCode::kArgument, std::string(name) + " inside " + of_value, where,
                      "elements from " + std::to_string(operand.offset) + ", " + std::to_string(*extent) + " long");
    }
    return Status();
  }

  Status check_read(const View& view, const char* name, const PlanOperand& operand, const std::string& where) const {
    const auto id = static_cast<size_t>(operand.value);
    const ValueKind kind = description_.values[id].kind;
    const bool given = kind == ValueKind::kInput || kind == ValueKind::kState;
    if (given || written_[id].covers(view, operand.offset)) return Status();
    return expected(ErrorCode::kArgument, std::string(name) + " written by an earlier operation", where,
                    "value " + std::to_string(id) + ", which is not (wholly) written yet");
  }

  Status check_write(const View& view, const char* name, const PlanOperand& operand, const std::string& where) {
    const auto id = static_cast<size_t>(operand.value);
    const ValueKind kind = description_.values[id].kind;
    if (kind == ValueKind::kInput || kind == ValueKind::kState) {
      return expected(ErrorCode::kArgument, std::string("a writable value behind ") + name, where,
                      "value " + std::to_string(id) + ", " + described(kind));
    }
    if (view.row_stride != view.cols && view.rows > WrittenRegion::kMaxRuns / view.batch) {
      return expected(ErrorCode::kUnsupported,
                      std::string(name) + " of at most " + std::to_string(WrittenRegion::kMaxRuns) + " separate rows",
                      where, to_string(shape_of(view)));
    }
    written_[id].add(view, operand.offset);
    return Status();
  }

  Status check_update(const char* name, const PlanOperand& operand, const std::string& where) const {
    const ValueKind kind = description_.values[static_cast<size_t>(operand.value)].kind;
    if (kind == ValueKind::kState) return Status();
    return expected(ErrorCode::kArgument, std::string("a state behind ") + name, where,
                    "value " + std::to_string(operand.value) + ", " + described(kind));
  }

  Status check_outputs_written() const {
    for (const ValueId id : description_.outputs) {
      const auto index = static_cast<size_t>(id);
      if (!written_[index].covers_all(description_.values[index].elements())) {
        return expected(ErrorCode::kArgument, "every element of output value " + std::to_string(id) + " to be written",
                        plan(), "operations that leave some out");
      }
    }
    return Status();
  }

  // `view` is one of for_each_view's of `p`, whose elements are to lie in [low, high].
  template <typename Params>
  Status note_index_rule(const Params& p, const View& view, const PlanOp& op, int64_t low, int64_t high,
                         const std::string& where) {
    if (!view.present()) return Status();
    std::string name;
    const PlanOperand* operand = nullptr;
    size_t position = 0;
    for_each_view(p, [&](const View& each, const char* each_name, Access, bool) {
      if (&each == &view) {
        name = each_name;
        operand = &op.operands[position];
      }
      ++position;
    });
    if (operand == nullptr) return expected(ErrorCode::kDevice, "a listed operand", where, "one that is in no list");
    const int64_t input = input_position_[static_cast<size_t>(operand->value)];
    const ValueKind kind = description_.values[static_cast<size_t>(operand->value)].kind;
    if (kind != ValueKind::kInput) {
      return expected(ErrorCode::kArgument, "an input of the plan as " + name, where, described(kind));
    }
    facts_.index_rules.push_back(
        {static_cast<size_t>(input), operand->offset, view.cols, low, high, name + " of " + where});
    return Status();
  }

  Status note_index_rules(const ConcatAttentionParams& p, const PlanOp& op, const std::string& where) {
    return note_index_rule(p, p.question_lengths, op, 0, p.question_k.rows, where);
  }
  Status note_index_rules(const AttentionParams& p, const PlanOp& op, const std::string& where) {
    return note_index_rule(p, p.lengths, op, p.causal ? p.q.rows : 1, p.k.rows, where);
  }
  Status note_index_rules(const QuestionAttentionParams& p, const PlanOp& op, const std::string& where) {
    return note_index_rule(p, p.question_lengths, op, 0, p.question_k.rows, where);
  }
  Status note_index_rules(const GatherRowsParams& p, const PlanOp& op, const std::string& where) {
    const int64_t entries = p.table != nullptr ? p.table->shape[1] : p.source.batch;
    return note_index_rule(p, p.index, op, 0, entries - 1, where);
  }
  Status note_index_rules(const AppendRowsParams& p, const PlanOp& op, const std::string& where) {
    return note_index_rule(p, p.position, op, 0, p.cache.rows - p.x.rows, where);
  }
  template <typename Params>
  Status note_index_rules(const Params&, const PlanOp&, const std::string&) {
    return Status();
  }

  const PlanDescription& description_;
  const Backend& backend_;
  PlanFacts& facts_;
  std::vector<WrittenRegion> written_;   // by ValueId
  std::vector<int64_t> input_position_;  // by ValueId; -1 = not an input
};

}  // namespace

Status check_plan(const PlanDescription& description, const Backend& backend, PlanFacts* facts) {
  return PlanChecker(description, backend, facts).run();
}

}  // namespace qavit
