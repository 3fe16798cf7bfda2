#include "addon/abort_flag.h"

#include "addon/handles.h"

namespace qavit::addon {

namespace {

class AbortFlag : public Napi::ObjectWrap<AbortFlag> {
 public:
  static constexpr napi_type_tag kTag = {0x8f1dd4a6b6f14c1eULL, 0x9b7a20c35d0e7704ULL};

  explicit AbortFlag(const Napi::CallbackInfo& info) : Napi::ObjectWrap<AbortFlag>(info) { Value().TypeTag(&kTag); }

  Napi::Value abort(const Napi::CallbackInfo& info) {
    flag_->store(true, std::memory_order_relaxed);
    return info.Env().Undefined();
  }

  const std::shared_ptr<std::atomic<bool>>& flag() const { return flag_; }

 private:
  const std::shared_ptr<std::atomic<bool>> flag_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace

void define_abort_flag(Napi::Env env, Napi::Object exports) {
  exports.Set("AbortFlag",
              AbortFlag::DefineClass(env, "AbortFlag", {AbortFlag::InstanceMethod<&AbortFlag::abort>("abort")}));
}

std::shared_ptr<const std::atomic<bool>> read_abort(Napi::Value value, const std::string& where) {
  if (absent(value)) return nullptr;
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&AbortFlag::kTag)) {
    reject(ErrorCode::kArgument, "an AbortFlag", where, describe(value));
  }
  return AbortFlag::Unwrap(value.As<Napi::Object>())->flag();
}

}  // namespace qavit::addon
