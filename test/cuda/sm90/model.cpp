#include "model.h"

namespace qavit::cuda::test {

namespace {

Model* entering = nullptr;

}  // namespace

void ModelBarrier::arrive() {
  if (pending_ == 0) sound_ = false;
  --pending_;
  end_phase();
}

void ModelBarrier::complete(int64_t bytes) {
  bytes_ -= bytes;
  if (bytes_ < 0) sound_ = false;
  end_phase();
}

void ModelBarrier::end_phase() {
  if (pending_ > 0 || bytes_ > 0) return;
  ++phase_;
  pending_ = arrivals_;
}

std::string Model::run() {
  const emulation::FiberStacks stacks(actors_.size());
  for (size_t i = 0; i < actors_.size(); ++i) actors_[i].fiber.prepare(stacks.stack(i), stacks.bytes(i), enter);
  entering = this;
  while (failure_.empty()) {
    std::vector<size_t> ready;
    bool all_finished = true;
    for (size_t i = 0; i < actors_.size(); ++i) {
      if (actors_[i].ready()) ready.push_back(i);
      all_finished = all_finished && actors_[i].finished;
    }
    if (ready.empty() && copies_.empty()) return all_finished ? "" : "all wait for each other";
    const size_t choice = random_() % (ready.size() + copies_.size());
    if (choice < ready.size()) {
      running_ = ready[choice];
      outside_.switch_to(actors_[running_].fiber);
    } else {
      const size_t i = choice - ready.size();
      const std::function<void()> copy = std::move(copies_[i]);
      copies_.erase(copies_.begin() + static_cast<std::ptrdiff_t>(i));
      copy();
    }
  }
  return failure_;
}

void Model::enter() {
  Model& model = *entering;
  Actor& actor = model.actors_[model.running_];
  actor.fiber.entered();
  actor.body();
  actor.finished = true;
  model.yield();
}

void Model::yield() { actors_[running_].fiber.switch_to(outside_); }

void Model::wait(const ModelBarrier& barrier, uint32_t parity) {
  Actor& actor = actors_[running_];
  actor.waits_for = &barrier;
  actor.parity = parity;
  yield();
  actor.waits_for = nullptr;
}

void Model::fail(const std::string& what) {
  if (failure_.empty()) failure_ = what;
}

}  // namespace qavit::cuda::test
