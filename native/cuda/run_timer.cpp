#include "cuda/run_timer.h"

#include "cuda/launch.h"

namespace qavit::cuda {

namespace {

constexpr const char* kWhere = "measuring a run";

}  // namespace

RunTimer::Lap::~Lap() {
  if (started_ != nullptr) (void)cudaEventDestroy(started_);
  if (stopped_ != nullptr) (void)cudaEventDestroy(stopped_);
}

Status RunTimer::Lap::add() {
  float milliseconds = 0.0f;
  QAVIT_RETURN_IF_ERROR(check(cudaEventElapsedTime(&milliseconds, started_, stopped_), kWhere));
  timer_->milliseconds_ += milliseconds;
  return Status();
}

Status RunTimer::start(cudaStream_t stream) {
  if (!enabled_) return Status();
  lap_ = std::make_unique<Lap>(this);
  for (cudaEvent_t* event : {&lap_->started_, &lap_->stopped_})
    QAVIT_RETURN_IF_ERROR(check(cudaEventCreateWithFlags(event, cudaEventDefault), kWhere));
  return check(cudaEventRecord(lap_->started_, stream), kWhere);
}

Status RunTimer::stop(cudaStream_t stream) {
  return lap_ != nullptr ? check(cudaEventRecord(lap_->stopped_, stream), kWhere) : Status();
}

}  // namespace qavit::cuda
