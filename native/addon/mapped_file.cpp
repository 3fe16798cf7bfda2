#include "addon/mapped_file.h"

#include "addon/arguments.h"
#include "addon/handles.h"
#include "core/memory_limit.h"

namespace qavit::addon {

namespace {

class MappedFileObject : public Napi::ObjectWrap<MappedFileObject> {
 public:
  static constexpr napi_type_tag kTag = {0x8f1dd4a6b6f14c1eULL, 0x9b7a20c35d0e7705ULL};

  explicit MappedFileObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<MappedFileObject>(info) {
    const Napi::Env env = info.Env();
    guard(env, "MappedFile", [&] {
      const std::string path = read_string(info[0], "path of MappedFile");
      if (path.find('\0') != std::string::npos) {
        reject(ErrorCode::kArgument, "a path without zero bytes", "path of MappedFile", describe(info[0]));
      }
      check(MappedFile::open(path, &file_));
      Value().TypeTag(&kTag);
      set_constant(Value(), "path", Napi::String::New(env, path));
      set_constant(Value(), "size", Napi::Number::New(env, static_cast<double>(file_->size())));
    });
  }

  Napi::Value read(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return guard(env, "MappedFile.read", [&]() -> Napi::Value {
      const std::shared_ptr<const MappedFile> open = file("MappedFile.read");
      const int64_t offset = read_integer(info[0], "offset of MappedFile.read", 0, kMaxInteger);
      const int64_t length = read_integer(info[1], "length of MappedFile.read", 0, kMaxInteger);
      check(open->check_range(offset, length));
      // What a file claims to hold may be more than there is memory for.
      check(check_host_memory(static_cast<size_t>(length), "MappedFile.read"));
      void* data = nullptr;
      const Napi::Value bytes = make_array(env, DType::kU8, length, "MappedFile.read", &data);
      check(open->read(offset, length, data));
      const auto buffer = env.Global().Get("Buffer").As<Napi::Object>();
      return buffer.Get("from").As<Napi::Function>().Call(buffer, {bytes.As<Napi::TypedArray>().ArrayBuffer()});
    });
  }

  Napi::Value close(const Napi::CallbackInfo& info) {
    file_.reset();
    return info.Env().Undefined();
  }

  const std::shared_ptr<const MappedFile>& file(const std::string& where) const {
    if (!file_) reject(ErrorCode::kArgument, "an open MappedFile", where, "a closed one");
    return file_;
  }

 private:
  std::shared_ptr<const MappedFile> file_;  // null after close()
};

}  // namespace

void define_mapped_file(Napi::Env env, Napi::Object exports) {
  exports.Set("MappedFile",
              MappedFileObject::DefineClass(env, "MappedFile",
                                            {MappedFileObject::InstanceMethod<&MappedFileObject::read>("read"),
                                             MappedFileObject::InstanceMethod<&MappedFileObject::close>("close")}));
}

std::shared_ptr<const MappedFile> read_mapped_file(Napi::Value value, const std::string& where) {
  const bool is_one = value.IsObject() && value.As<Napi::Object>().CheckTypeTag(&MappedFileObject::kTag);
  if (!is_one) reject(ErrorCode::kArgument, "a MappedFile", where, describe(value));
  return MappedFileObject::Unwrap(value.As<Napi::Object>())->file(where);
}

}  // namespace qavit::addon
