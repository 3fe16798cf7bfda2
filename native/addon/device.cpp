#include "addon/device.h"

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "addon/device_session.h"
#include "addon/plan_reader.h"
#include "addon/resources.h"
#include "addon/run.h"
#include "addon/upload.h"
#include "cpu/cpu_backend.h"
#include "cpu/isa.h"
#include "reference/reference_backend.h"

#ifdef QAVIT_CUDA
#include "cuda/cuda_backend.h"
#endif

namespace qavit::addon {

namespace {

constexpr int64_t kMaxOrdinal = 999;

enum class Kind { kCpu, kReference, kCuda };

constexpr Named<Kind> kKindNames[] = {{Kind::kCpu, "cpu"}, {Kind::kReference, "reference"}, {Kind::kCuda, "cuda"}};

cpu::CpuOptions read_cpu_options(const Napi::Object& options) {
  cpu::CpuOptions cpu_options;
  const Napi::Value threads = options.Get("threads");
  const Napi::Value isa = options.Get("isa");
  if (!absent(threads))
    cpu_options.threads = static_cast<int>(read_integer(threads, "threads of Device", 1, cpu::kMaxThreads));
  if (!absent(isa)) cpu_options.isa = cpu::isa_name(read_choice<cpu::Isa>(isa, "isa of Device", cpu::kIsaNames));
  return cpu_options;
}

std::shared_ptr<Backend> make_cpu(const cpu::CpuOptions& options) {
  Status status;
  std::shared_ptr<Backend> backend = cpu::make_cpu_backend(options, &status);
  check(status);
  return backend;
}

std::shared_ptr<Backend> make_cuda(const Napi::Object& options) {
  const Napi::Value ordinal = options.Get("ordinal");
  const Napi::Value graphs = options.Get("graphs");
  const int64_t number = absent(ordinal) ? 0 : read_integer(ordinal, "ordinal of Device", 0, kMaxOrdinal);
  const bool replayed = absent(graphs) || read_boolean(graphs, "graphs of Device");
  const Napi::Value timing = options.Get("timing");
  const bool timed = !absent(timing) && read_boolean(timing, "timing of Device");
#ifdef QAVIT_CUDA
  Status status;
  std::shared_ptr<Backend> backend = cuda::make_cuda_backend({static_cast<int>(number), replayed, timed}, &status);
  check(status);
  return backend;
#else
  static_cast<void>(replayed || timed);
  reject(ErrorCode::kUnsupported, "a build with CUDA", "device cuda:" + std::to_string(number),
         "one that computes on the CPU only");
#endif
}

std::shared_ptr<Backend> make_backend(const Napi::Value& value) {
  const std::string where = "options of Device";
  const Napi::Object options = read_object(value, where);
  const Kind kind = read_choice<Kind>(options.Get("kind"), "kind of Device", kKindNames);
  if (kind == Kind::kCuda) {
    only_keys(options, {"kind", "ordinal", "graphs", "timing"}, where);
    return make_cuda(options);
  }
  only_keys(options, {"kind", "threads", "isa"}, where);
  const cpu::CpuOptions cpu_options = read_cpu_options(options);
  return kind == Kind::kCpu ? make_cpu(cpu_options) : reference::make_reference_backend();
}

Napi::Object info_of(Napi::Env env, const DeviceInfo& info) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("kind", info.kind);
  object.Set("name", info.name);
  object.Set("isa", info.isa);
  object.Set("threads", info.threads);
  if (info.ordinal >= 0) object.Set("ordinal", info.ordinal);
  Napi::Array dtypes = Napi::Array::New(env, info.dtypes.size());
  for (size_t i = 0; i < info.dtypes.size(); ++i)
    dtypes[static_cast<uint32_t>(i)] = Napi::String::New(env, dtype_name(info.dtypes[i]));
  object.Set("dtypes", dtypes);
  object.Freeze();
  return object;
}

class Device : public Napi::ObjectWrap<Device> {
 public:
  static constexpr napi_type_tag kTag = {0x8f1dd4a6b6f14c1eULL, 0x9b7a20c35d0e7706ULL};

  explicit Device(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Device>(info) {
    const Napi::Env env = info.Env();
    guard(env, "Device", [&] {
      session_ = DeviceSession::open(env, make_backend(info[0]));
      Value().TypeTag(&kTag);
      set_constant(Value(), "info", info_of(env, session_->backend().info()));
    });
  }

  Napi::Value upload(const Napi::CallbackInfo& info) {
    return guard_promise(info.Env(), "Device.upload", [&] { return addon::upload(session_, info[0], info[1]); });
  }

  Napi::Value compile(const Napi::CallbackInfo& info) {
    return guard(info.Env(), "Device.compile", [&]() -> Napi::Value {
      session_->check_open("Device.compile");
      std::shared_ptr<const Plan> plan;
      check(Plan::compile(read_plan(session_, info[0], info[1]), session_->backend(), &plan));
      return PlanResource::create(session_, std::move(plan));
    });
  }

  Napi::Value run(const Napi::CallbackInfo& info) {
    return guard_promise(info.Env(), "Device.run", [&] { return addon::run(session_, info[0], info[1], info[2]); });
  }

  Napi::Value read(const Napi::CallbackInfo& info) {
    return guard_promise(info.Env(), "Device.read", [&] { return addon::read(session_, info[0]); });
  }

  Napi::Value write(const Napi::CallbackInfo& info) {
    return guard_promise(info.Env(), "Device.write", [&] { return addon::write(session_, info[0], info[1]); });
  }

  Napi::Value close(const Napi::CallbackInfo& info) {
    return guard_promise(info.Env(), "Device.close", [&] { return session_->close(); });
  }

  const DeviceSession& session() const { return *session_; }

 private:
  std::shared_ptr<DeviceSession> session_;
};

// The session behind `this` of an accessor. Not an InstanceAccessor: V8 checks the receiver of a method, but not that
// of a getter.
const DeviceSession& session_of(const Napi::CallbackInfo& info, const char* where) {
  if (!info.This().IsObject() || !info.This().As<Napi::Object>().CheckTypeTag(&Device::kTag)) {
    reject(ErrorCode::kArgument, "a Device", std::string("this of ") + where, describe(info.This()));
  }
  return Device::Unwrap(info.This().As<Napi::Object>())->session();
}

Napi::Value device_memory(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guard(env, "Device.memory", [&]() -> Napi::Value {
    const MemoryCounters& counters = session_of(info, "Device.memory").counters();
    Napi::Object memory = Napi::Object::New(env);
    memory.Set("weightBytes", static_cast<double>(counters.weight_bytes));
    memory.Set("tensorBytes", static_cast<double>(counters.tensor_bytes));
    memory.Set("arenaBytes", static_cast<double>(counters.arena_bytes));
    return memory;
  });
}

Napi::Value device_statistics(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guard(env, "Device.statistics", [&]() -> Napi::Value {
    const DeviceSession& session = session_of(info, "Device.statistics");
    session.check_open("Device.statistics");
    const std::optional<RunStatistics> found = session.backend().statistics();
    if (!found) return env.Null();
    Napi::Object statistics = Napi::Object::New(env);
    statistics.Set("launched", static_cast<double>(found->launched));
    statistics.Set("recorded", static_cast<double>(found->recorded));
    statistics.Set("replayed", static_cast<double>(found->replayed));
    statistics.Set("milliseconds", found->milliseconds);
    return statistics;
  });
}

}  // namespace

void define_device(Napi::Env env, Napi::Object exports) {
  const Napi::Function constructor = Device::DefineClass(
      env, "Device",
      {Device::InstanceMethod<&Device::upload>("upload"), Device::InstanceMethod<&Device::compile>("compile"),
       Device::InstanceMethod<&Device::run>("run"), Device::InstanceMethod<&Device::read>("read"),
       Device::InstanceMethod<&Device::write>("write"), Device::InstanceMethod<&Device::close>("close")});
  const Napi::Object prototype = constructor.Get("prototype").As<Napi::Object>();
  constexpr auto kAttributes = static_cast<napi_property_attributes>(napi_enumerable | napi_configurable);
  prototype.DefineProperty(Napi::PropertyDescriptor::Accessor<device_memory>("memory", kAttributes));
  prototype.DefineProperty(Napi::PropertyDescriptor::Accessor<device_statistics>("statistics", kAttributes));
  exports.Set("Device", constructor);
}

}  // namespace qavit::addon
