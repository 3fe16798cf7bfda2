#include "addon/plan_reader.h"

#include <string>
#include <variant>
#include <vector>

#include "addon/resources.h"
#include "core/visit.h"

namespace qavit::addon {

namespace {

// Far above any model; keeps a lying array from costing memory before core looks at it.
constexpr uint32_t kMaxEntries = 1u << 16;

void read_attribute(Napi::Value value, const std::string& where, int64_t* attribute) {
  *attribute = read_integer(value, where, 0, kMaxInteger);
}
void read_attribute(Napi::Value value, const std::string& where, float* attribute) {
  *attribute = read_finite(value, where);
}
void read_attribute(Napi::Value value, const std::string& where, bool* attribute) {
  *attribute = read_boolean(value, where);
}
void read_attribute(Napi::Value value, const std::string& where, Activation* attribute) {
  *attribute = read_choice<Activation>(value, where, kActivationNames);
}

using EmptyParams = OpParams (*)();

template <typename Params>
OpParams empty() {
  return Params{};
}

template <typename>
struct Operations;
template <typename... Params>
struct Operations<std::variant<Params...>> {
  static constexpr Named<EmptyParams> kNames[] = {{empty<Params>, Params::kName}...};
};

class PlanReader {
 public:
  PlanReader(std::shared_ptr<DeviceSession> session, Napi::Value weights) : session_(std::move(session)) {
    const Napi::Array array = read_array(weights, "weights of Device.compile", kMaxEntries);
    for (uint32_t i = 0; i < array.Length(); ++i) {
      const std::string where = "weights[" + std::to_string(i) + "] of Device.compile";
      plan_.weights.push_back(unwrap_of<WeightResource>(session_, array[i], where).weight(where));
    }
  }

  PlanDescription read(Napi::Value value) {
    const Napi::Object object = read_object(value, "description of Device.compile");
    only_keys(object, {"name", "values", "ops", "inputs", "outputs"}, "description of Device.compile");
    plan_.name = read_string(object.Get("name"), "name of description");
    const Napi::Array values = read_array(object.Get("values"), "values of " + plan(), kMaxEntries);
    for (uint32_t i = 0; i < values.Length(); ++i)
      read_value(values[i], "values[" + std::to_string(i) + "] of " + plan());
    const Napi::Array ops = read_array(object.Get("ops"), "ops of " + plan(), kMaxEntries);
    for (uint32_t i = 0; i < ops.Length(); ++i) read_op(ops[i], "ops[" + std::to_string(i) + "] of " + plan());
    read_ids(object.Get("inputs"), "inputs of " + plan(), &plan_.inputs);
    read_ids(object.Get("outputs"), "outputs of " + plan(), &plan_.outputs);
    return std::move(plan_);
  }

 private:
  std::string plan() const { return "plan " + plan_.name; }

  void read_value(Napi::Value value, const std::string& where) {
    const Napi::Object object = read_object(value, where);
    only_keys(object, {"kind", "dtype", "shape"}, where);
    PlanValue read;
    read.kind = read_choice<ValueKind>(object.Get("kind"), "kind of " + where, kValueKindNames);
    read.dtype = read_dtype(object.Get("dtype"), "dtype of " + where);
    const Shape shape = read_shape(object.Get("shape"), "shape of " + where);
    read.batch = shape[0];
    read.rows = shape[1];
    read.cols = shape[2];
    plan_.values.push_back(read);
  }

  void read_op(Napi::Value value, const std::string& place) {
    const Napi::Object object = read_object(value, place);
    only_keys(object, {"op", "name", "views", "weights", "attributes"}, place);
    PlanOp op;
    op.params = read_choice<EmptyParams>(object.Get("op"), "op of " + place, Operations<OpParams>::kNames)();
    op.name = read_string(object.Get("name"), "name of " + place);
    const std::string where = op.where();
    const Napi::Object views = read_object(object.Get("views"), "views of " + where);
    const Napi::Object weights = read_object(object.Get("weights"), "weights of " + where);
    const Napi::Object attributes = read_object(object.Get("attributes"), "attributes of " + where);
    std::visit(
        [&](auto& p) {
          read_views(p, views, where, &op);
          read_weights(p, weights, where);
          read_attributes(p, attributes, where);
        },
        op.params);
    plan_.ops.push_back(std::move(op));
  }

  template <typename Params>
  void read_views(Params& p, Napi::Object views, const std::string& where, PlanOp* op) {
    std::vector<std::string> names;
    for_each_view(p, [&](View& view, const char* name, Access, bool) {
      names.push_back(name);
      const Napi::Value value = views.Get(name);
      op->operands.push_back(absent(value) ? PlanOperand{} : read_view(value, name + (" of " + where), &view));
    });
    only_keys(views, names, "views of " + where);
  }

  PlanOperand read_view(Napi::Value value, const std::string& where, View* view) {
    const Napi::Object object = read_object(value, where);
    only_keys(object, {"value", "offset", "shape", "batchStride", "rowStride"}, where);
    PlanOperand operand;
    const auto last = static_cast<int64_t>(plan_.values.size()) - 1;
    operand.value = static_cast<ValueId>(read_integer(object.Get("value"), "value of " + where, 0, last));
    operand.offset = read_integer(object.Get("offset"), "offset of " + where, 0, kMaxInteger);
    const Shape shape = read_shape(object.Get("shape"), where);
    view->dtype = plan_.values[static_cast<size_t>(operand.value)].dtype;
    view->batch = shape[0];
    view->rows = shape[1];
    view->cols = shape[2];
    view->batch_stride = read_integer(object.Get("batchStride"), "batchStride of " + where, 0, kMaxInteger);
    view->row_stride = read_integer(object.Get("rowStride"), "rowStride of " + where, 0, kMaxInteger);
    return operand;
  }

  template <typename Params>
  void read_weights(Params& p, Napi::Object weights, const std::string& where) {
    std::vector<std::string> names;
    for_each_weight(p, [&](const Weight*& weight, const char* name, WeightRole, bool) {
      names.push_back(name);
      const Napi::Value value = weights.Get(name);
      if (absent(value)) return;
      const auto last = static_cast<int64_t>(plan_.weights.size()) - 1;
      weight = plan_.weights[static_cast<size_t>(read_integer(value, name + (" of " + where), 0, last))].get();
    });
    only_keys(weights, names, "weights of " + where);
  }

  template <typename Params>
  void read_attributes(Params& p, Napi::Object attributes, const std::string& where) {
    std::vector<std::string> names;
    for_each_attribute(p, [&](auto& attribute, const char* name) {
      names.push_back(name);
      const Napi::Value value = attributes.Get(name);
      if (!absent(value)) read_attribute(value, name + (" of " + where), &attribute);
    });
    only_keys(attributes, names, "attributes of " + where);
  }

  void read_ids(Napi::Value value, const std::string& where, std::vector<ValueId>* ids) const {
    const Napi::Array array = read_array(value, where, kMaxEntries);
    const auto last = static_cast<int64_t>(plan_.values.size()) - 1;
    for (uint32_t i = 0; i < array.Length(); ++i)
      ids->push_back(static_cast<ValueId>(read_integer(array[i], where, 0, last)));
  }

  const std::shared_ptr<DeviceSession> session_;
  PlanDescription plan_;
};

}  // namespace

PlanDescription read_plan(const std::shared_ptr<DeviceSession>& session, Napi::Value description, Napi::Value weights) {
  return PlanReader(session, weights).read(description);
}

}  // namespace qavit::addon
