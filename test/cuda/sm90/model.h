// Threads that wait for mbarriers, run one at a time in an order drawn from a seed, and a copy engine that takes as
// long as the order pleases. Finds threads that wait for ever.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "cuda/emulation/fiber.h"

namespace qavit::cuda::test {

// As the PTX manual defines it: a phase is over when all arrivals and all expected bytes have come.
class ModelBarrier {
 public:
  void init(int arrivals) { arrivals_ = pending_ = arrivals; }
  void expect(int64_t bytes) { bytes_ += bytes; }
  void arrive();
  void complete(int64_t bytes);

  // What try_wait answers: it knows the phase's parity only.
  bool over(uint32_t parity) const { return (phase_ + 1) % 2 == parity; }
  bool sound() const { return sound_; }

 private:
  void end_phase();

  int arrivals_ = 0, pending_ = 0;
  int64_t bytes_ = 0;
  uint32_t phase_ = 0;
  bool sound_ = true;  // never more arrivals or bytes than a phase has
};

class Model {
 public:
  explicit Model(uint64_t seed) : random_(seed) {}

  void add_actor(std::function<void()> actor) { actors_.push_back({std::move(actor), {}, nullptr, 0, false}); }
  // Done at any later time.
  void add_copy(std::function<void()> copy) { copies_.push_back(std::move(copy)); }

  // Until every actor has returned and every copy is done; "" or what went wrong first.
  std::string run();

  // For actors.
  void yield();
  void wait(const ModelBarrier& barrier, uint32_t parity);
  void fail(const std::string& what);  // ends the run; does not return in an actor

 private:
  struct Actor {
    std::function<void()> body;
    emulation::Fiber fiber;
    const ModelBarrier* waits_for;
    uint32_t parity;
    bool finished;

    bool ready() const { return !finished && (waits_for == nullptr || waits_for->over(parity)); }
  };

  static void enter();

  std::mt19937_64 random_;
  std::vector<Actor> actors_;
  std::vector<std::function<void()>> copies_;
  emulation::Fiber outside_;
  size_t running_ = 0;
  std::string failure_;
};

}  // namespace qavit::cuda::test
