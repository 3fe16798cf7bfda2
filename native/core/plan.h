// Plan: a forward pass ready to run. Made once a shape key by describing values and operations; checks every operation,
// asks the backend whether it can run them, and lays all intermediate values into one arena by liveness. Immutable
// afterwards.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/backend.h"
#include "core/names.h"
#include "core/ops.h"
#include "core/status.h"

namespace qavit {

using ValueId = int32_t;

enum class ValueKind : uint8_t {
  kInput,
  kOutput,
  kIntermediate,
  kState,  // given like an input, and changed: a buffer on the device that belongs to the caller
};

inline constexpr Named<ValueKind> kValueKindNames[] = {{ValueKind::kInput, "input"},
                                                       {ValueKind::kOutput, "output"},
                                                       {ValueKind::kIntermediate, "intermediate"},
                                                       {ValueKind::kState, "state"}};

// A dense activation [batch, rows, cols].
struct PlanValue {
  ValueKind kind = ValueKind::kIntermediate;
  DType dtype = DType::kF32;
  int64_t batch = 0;
  int64_t rows = 0;
  int64_t cols = 0;

  // Both fit: Plan::compile refuses values whose bytes do not.
  int64_t elements() const { return batch * rows * cols; }
  size_t bytes() const { return static_cast<size_t>(elements()) * dtype_size(dtype); }
};

// Says which value stands behind one View of an operation, in the order of for_each_view.
struct PlanOperand {
  ValueId value = -1;  // -1: absent
  int64_t offset = 0;  // elements from the value's start
};

struct PlanOp {
  std::string name;  // "layers.3.mlp.fc1": where, for messages
  OpParams params;   // shapes, strides and weights; data pointers are set when the plan is bound
  std::vector<PlanOperand> operands;

  // "linear layers.3.mlp.fc1"
  std::string where() const { return op_name(params) + (name.empty() ? "" : " " + name); }
};

struct PlanDescription {
  std::string name;
  std::vector<PlanValue> values;
  std::vector<PlanOp> ops;
  std::vector<ValueId> inputs;  // inputs and states, in the order of the addresses given to bind()
  std::vector<ValueId> outputs;
  std::vector<std::shared_ptr<Weight>> weights;  // keeps what params point to alive
};

// The promise that every number of an i32 operand lies in [low, high]. Such operands are plan inputs, never computed,
// so that the numbers can be looked at before anything runs.
struct IndexRule {
  size_t input = 0;    // position in PlanDescription::inputs
  int64_t offset = 0;  // elements
  int64_t count = 0;
  int64_t low = 0;
  int64_t high = 0;
  std::string where;  // "index of gather_rows embed"
};

class Plan {
 public:
  // Fails with the code and words of validate(), of the backend's supports(), or ERR_ARGUMENT for an inconsistent
  // description (a view outside its value, an operand read before it is written, an output over an input; an output may
  // be exactly the residual). ERR_OUT_OF_MEMORY where the arena's size does not fit in a size_t. Two live values never
  // share bytes.
  static Status compile(PlanDescription description, const Backend& backend, std::shared_ptr<const Plan>* plan);

  const PlanDescription& description() const { return description_; }
  size_t arena_bytes() const { return arena_bytes_; }
  uint64_t key() const { return key_; }  // unique in this process

  // Arena offset of each value, by ValueId; meaningful for intermediates.
  const std::vector<size_t>& offsets() const { return offsets_; }

  const std::vector<IndexRule>& index_rules() const { return index_rules_; }
  // ERR_ARGUMENT when a number at `data` (host memory, the whole input value) breaks one of the rules of that input.
  Status check_indices(size_t input, const void* data) const;

  // The operations with every data pointer set.
  std::vector<OpParams> bind(void* arena, const std::vector<void*>& inputs, const std::vector<void*>& outputs) const;

 private:
  PlanDescription description_;
  std::vector<size_t> offsets_;
  std::vector<IndexRule> index_rules_;
  size_t arena_bytes_ = 0;
  uint64_t key_ = 0;
};

}  // namespace qavit
