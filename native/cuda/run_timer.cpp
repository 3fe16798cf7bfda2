#include "cuda/run_timer.h"

#include "cuda/launch.h"

namespace qavit::cuda {

namespace {

constexpr const char* kWhere = "measuring a run";

}  // namespace

RunTimer::~RunTimer() {
  if (started_ != nullptr) (void)cudaEventDestroy(started_);
  if (stopped_ != nullptr) (void)cudaEventDestroy(stopped_);
}

Status RunTimer::start(cudaStream_t stream) {
  if (!enabled_) return Status();
  for (cudaEvent_t* event : {&started_, &stopped_}) {
    if (*event == nullptr) QAVIT_RETURN_IF_ERROR(check(cudaEventCreateWithFlags(event, cudaEventDefault), kWhere));
  }
  return check(cudaEventRecord(started_, stream), kWhere);
}

Status RunTimer::stop(cudaStream_t stream) {
  return enabled_ ? check(cudaEventRecord(stopped_, stream), kWhere) : Status();
}

Status RunTimer::add() {
  if (!enabled_) return Status();
  float milliseconds = 0.0f;
  QAVIT_RETURN_IF_ERROR(check(cudaEventElapsedTime(&milliseconds, started_, stopped_), kWhere));
  milliseconds_ = milliseconds_ + milliseconds;
  return Status();
}

}  // namespace qavit::cuda
