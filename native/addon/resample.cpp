#include "addon/resample.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "addon/arguments.h"
#include "addon/errors.h"
#include "image/resample.h"

namespace qavit::addon {

namespace {

// Not on a device's queue: pictures are prepared while devices compute. libuv's pool runs it, and Node waits for it
// when an environment ends.
class ResampleWorker : public Napi::AsyncWorker {
 public:
  ResampleWorker(Napi::Env env, std::vector<uint8_t> pixels, const image::ResampleRequest& request)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        pixels_(std::move(pixels)),
        request_(request) {
    request_.pixels = pixels_;
  }

  Napi::Value promise() const { return deferred_.Promise(); }

  void Execute() override {
    try {
      status_ = image::resample(request_, &result_);
    } catch (...) {
      status_ = current_exception_status("resample");
    }
  }

  void OnOK() override {
    const Napi::Env env = Env();
    try {
      check(status_);
      void* data = nullptr;
      const Napi::Value array = make_array(env, DType::kU8, static_cast<int64_t>(result_.size()), "resample", &data);
      std::copy(result_.begin(), result_.end(), static_cast<uint8_t*>(data));
      deferred_.Resolve(array);
    } catch (...) {
      deferred_.Reject(to_js_error(env, current_exception_status("resample")).Value());
    }
  }

 private:
  const Napi::Promise::Deferred deferred_;
  const std::vector<uint8_t> pixels_;
  image::ResampleRequest request_;
  std::vector<uint8_t> result_;
  Status status_;
};

image::ResampleFilter read_filter(Napi::Value value) {
  const std::string name = read_string(value, "filter of resample");
  for (const auto& filter : image::kResampleFilterNames) {
    if (name == filter.name) return filter.value;
  }
  std::string list = listed(image::kResampleFilterNames, &Named<image::ResampleFilter>::name);
  list.replace(list.rfind(", "), 2, " or ");
  reject(ErrorCode::kArgument, list, "filter of resample", describe(value));
}

Napi::Value resample(const Napi::CallbackInfo& info) {
  return guard_promise(info.Env(), "resample", [&]() -> Napi::Value {
    const Napi::Object object = read_object(info[0], "request of resample");
    only_keys(object, {"pixels", "width", "height", "toWidth", "toHeight", "filter"}, "request of resample");
    image::ResampleRequest request;
    const auto side = [&](const char* name) {
      return read_integer(object.Get(name), name + std::string(" of resample"), 1, image::kMaxSide);
    };
    request.width = side("width");
    request.height = side("height");
    request.to_width = side("toWidth");
    request.to_height = side("toHeight");
    request.filter = read_filter(object.Get("filter"));
    // Sides of at most 2^24 cannot overflow here.
    const int64_t bytes = request.width * request.height * 3;
    std::vector<uint8_t> pixels = copy_elements(object.Get("pixels"), DType::kU8, bytes, "pixels of resample");
    request.pixels = pixels;
    check(image::validate(request));
    auto worker = std::make_unique<ResampleWorker>(info.Env(), std::move(pixels), request);
    const Napi::Value promise = worker->promise();
    worker.release()->Queue();  // deletes itself
    return promise;
  });
}

}  // namespace

void define_resample(Napi::Env env, Napi::Object exports) {
  exports.Set("resample", Napi::Function::New<resample>(env, "resample"));
}

}  // namespace qavit::addon
