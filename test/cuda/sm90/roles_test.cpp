// The protocol of linear_sm90_roles.h, run as it stands by a producer and eight consumer warps in many orders: no stage
// is read before both its tiles have landed, none is overwritten while a product may still read it, every stage of
// every item is multiplied once by those who should, and nobody waits for ever. Then with one thing broken at a time,
// each of which the model must notice; or it would say nothing about the rest.
#include <array>
#include <map>
#include <memory>

#include "check.h"
#include "cuda/linear/linear_sm90_roles.h"
#include "model.h"
#include "tests.h"

namespace qavit::cuda::test {

namespace {

enum class Fault {
  kNone,
  kNoTurn,         // consumers that take turns start when they like
  kNoEmpty,        // the producer does not wait
  kNoFull,         // consumers do not wait
  kHalfExpected,   // a stage is called full when half of it may have come
  kEarlyRelease,   // a slot is given back while its products run
  kFewerArrivals,  // ... when one warp has not given it back
  kMoreArrivals,   // ... when one more warp would have
  kTurnNotPassed,
};

// What a slot's two tiles hold.
struct Tag {
  int item = -1;
  int stage = -1;
  bool operator==(const Tag&) const = default;
};

struct Slot {
  std::array<Tag, 2> holds;
  int readers = 0;  // products under way, of all warps
};

template <int kTile>
class RingModel {
 public:
  static constexpr Sm90Tile kT = kSm90Tiles[kTile];

  RingModel(const Sm90Items& items, int block, Fault fault, uint64_t seed)
      : items_(items),
        block_(block),
        fault_(fault),
        model_(seed),
        slots_(kT.stages),
        full_(kT.stages),
        empty_(kT.stages) {
    int readers = (kT.in_turns ? 1 : kSm90Consumers) * 4;
    if (fault == Fault::kFewerArrivals) --readers;
    if (fault == Fault::kMoreArrivals) ++readers;
    for (ModelBarrier& barrier : full_) barrier.init(1);
    for (ModelBarrier& barrier : empty_) barrier.init(readers);
    for (ModelBarrier& barrier : turn_) barrier.init(4);
  }

  std::string run() {
    model_.add_actor([this] {
      Producer producer{*this};
      load_weights_ahead<kTile>(items_, block_, producer);
      model_.yield();
      produce_stages<kTile>(items_, block_, producer);
    });
    for (int warp = 0; warp < kSm90Consumers * 4; ++warp) {
      model_.add_actor([this, warp] {
        Consumer consumer(*this, warp);
        consume_stages<kTile>(items_, block_, warp / 4, consumer);
      });
    }
    std::string failure = model_.run();
    if (failure.empty()) failure = check_finished();
    for (const std::vector<ModelBarrier>* barriers : {&full_, &empty_}) {
      for (const ModelBarrier& barrier : *barriers) {
        if (failure.empty() && !barrier.sound()) failure = "a barrier got more than a phase takes";
      }
    }
    return failure;
  }

 private:
  struct Producer {
    RingModel& ring;

    void wait_empty(int slot, uint32_t parity) {
      if (ring.fault_ != Fault::kNoEmpty) ring.model_.wait(ring.empty_[static_cast<size_t>(slot)], parity);
    }

    void expect(int slot) {
      ModelBarrier& full = ring.full_[static_cast<size_t>(slot)];
      full.expect(ring.fault_ == Fault::kHalfExpected ? kT.stage_bytes() / 2 : kT.stage_bytes());
      full.arrive();
    }
    void load_x(int slot, const BlockWork& work, int stage) { load(0, kT.rows * 128, slot, work, stage); }
    void load_weight(int slot, const BlockWork& work, int stage) { load(1, kT.columns * 128, slot, work, stage); }

    void load(size_t tile, int64_t bytes, int slot, const BlockWork& work, int stage) {
      const auto s = static_cast<size_t>(slot);
      if (ring.slots_[s].readers > 0) ring.model_.fail("overwritten while it is read");
      ring.slots_[s].holds[tile] = {};
      const Tag tag = {ring.item_of(work), stage};
      ring.model_.add_copy([this, s, tile, tag, bytes] {
        if (ring.slots_[s].readers > 0) ring.model_.fail("overwritten while it is read");
        ring.slots_[s].holds[tile] = tag;
        ring.full_[s].complete(bytes);
      });
      ring.model_.yield();
    }
  };

  class Consumer {
   public:
    Consumer(RingModel& ring, int warp) : ring_(ring), warp_(warp), next_(ring.block_) {
      if (kT.in_turns && warp / 4 == 1) next_ += ring.items_.blocks;
    }

    void wait_turn(int consumer, uint32_t parity) {
      if (ring_.fault_ != Fault::kNoTurn) ring_.model_.wait(ring_.turn_[static_cast<size_t>(consumer)], parity);
    }
    void pass_turn(int to) {
      if (ring_.fault_ == Fault::kTurnNotPassed) return;
      ring_.turn_[static_cast<size_t>(to)].arrive();
      ring_.model_.yield();
    }
    void wait_full(int slot, uint32_t parity) {
      if (ring_.fault_ != Fault::kNoFull) ring_.model_.wait(ring_.full_[static_cast<size_t>(slot)], parity);
    }
    void begin_sums() { stage_ = ring_.span_of(next_).first; }

    void multiply(int slot) {
      const auto s = static_cast<size_t>(slot);
      const Tag wanted = {next_, stage_++};
      for (const Tag& holds : ring_.slots_[s].holds) {
        if (!(holds == wanted)) ring_.model_.fail("read while it holds something else");
      }
      ++ring_.slots_[s].readers;
      under_way_.push_back(s);
      ring_.model_.yield();
    }

    void wait_for_products_before_last() {
      if (ring_.fault_ != Fault::kEarlyRelease) end_products(1);
    }
    void wait_for_all_products() { end_products(0); }

    void release(int slot) {
      ring_.empty_[static_cast<size_t>(slot)].arrive();
      ring_.model_.yield();
    }

    void finish(const BlockWork& work) {
      const Sm90Items::Span span = ring_.span_of(next_);
      if (ring_.item_of(work) != next_ || stage_ != span.first + span.count)
        ring_.model_.fail("another sum than its own");
      ++ring_.finished_[{next_, warp_}];
      next_ += (kT.in_turns ? 2 : 1) * ring_.items_.blocks;
      ring_.model_.yield();
    }

   private:
    void end_products(size_t but) {
      while (under_way_.size() > but) {
        --ring_.slots_[under_way_.front()].readers;
        under_way_.erase(under_way_.begin());
        ring_.model_.yield();
      }
    }

    RingModel& ring_;
    const int warp_;
    int next_;  // item whose turn it is
    int stage_ = 0;
    std::vector<size_t> under_way_;
  };

  Sm90Items::Span span_of(int item) const { return items_.span(items_.work(item)); }

  int item_of(const BlockWork& wanted) const {
    for (int item = block_; item < items_.count; item += items_.blocks) {
      const BlockWork work = items_.work(item);
      if (work.row_tile == wanted.row_tile && work.column_tile == wanted.column_tile && work.group == wanted.group &&
          work.split == wanted.split) {
        return item;
      }
    }
    return -1;
  }

  std::string check_finished() const {
    size_t wanted = 0;
    int turn = 0;
    for (int item = block_; item < items_.count; item += items_.blocks, ++turn) {
      for (int warp = 0; warp < kSm90Consumers * 4; ++warp) {
        if (kT.in_turns && warp / 4 != turn % 2) continue;
        ++wanted;
        const auto found = finished_.find({item, warp});
        if (found == finished_.end() || found->second != 1) return "an item is not finished once";
      }
    }
    return finished_.size() == wanted ? "" : "an item is finished by who should not";
  }

  const Sm90Items items_;
  const int block_;
  const Fault fault_;
  Model model_;
  std::vector<Slot> slots_;
  std::vector<ModelBarrier> full_, empty_;
  std::array<ModelBarrier, 2> turn_;
  std::map<std::pair<int, int>, int> finished_;
};

Sm90Items items_of(int tiles, int splits, int stages, int blocks) {
  Sm90Items items;
  items.grid.row_tiles = tiles;
  items.grid.split_steps = (stages + splits - 1) / splits;
  items.stages = stages;
  items.count = tiles * ((stages + items.grid.split_steps - 1) / items.grid.split_steps);
  items.blocks = blocks;
  return items;
}

template <int kTile>
std::string simulate(const Sm90Items& items, int block, Fault fault, uint64_t seed) {
  return RingModel<kTile>(items, block, fault, seed).run();
}

template <int kTile>
void hold_all_orders() {
  constexpr int kSlots = kSm90Tiles[kTile].stages;
  for (const int stages : {1, 2, kSlots - 1, kSlots, kSlots + 1, 2 * kSlots, 3 * kSlots + 2}) {
    for (const int splits : {1, 2, 3}) {
      for (const int tiles : {1, 2, 3, 6, 7}) {
        const Sm90Items items = items_of(tiles, splits, stages, 2);
        for (uint64_t seed = 0; seed < 3; ++seed) {
          for (int block = 0; block < 2 && block < items.count; ++block) {
            const std::string failure = simulate<kTile>(items, block, Fault::kNone, seed);
            hold(failure.empty(), "tile " + std::to_string(kTile) + ", " + std::to_string(tiles) + " tiles of " +
                                      std::to_string(stages) + " stages in " + std::to_string(splits) +
                                      " splits, seed " + std::to_string(seed) + ": " + failure);
          }
        }
      }
    }
  }
}

template <int kTile>
void hold_noticed(Fault fault, const char* what) {
  const Sm90Items items = items_of(8, 1, 3 * kSm90Tiles[kTile].stages + 2, 1);
  for (uint64_t seed = 0; seed < 50; ++seed) {
    if (!simulate<kTile>(items, 0, fault, seed).empty()) return;
  }
  hold(false, std::string("the model does not notice ") + what + " with tile " + std::to_string(kTile));
}

template <int kTile>
void test_tile() {
  hold_all_orders<kTile>();
  hold_noticed<kTile>(Fault::kNoEmpty, "a producer that does not wait");
  hold_noticed<kTile>(Fault::kNoFull, "consumers that do not wait");
  hold_noticed<kTile>(Fault::kHalfExpected, "too few bytes expected");
  hold_noticed<kTile>(Fault::kEarlyRelease, "a slot given back too early");
  hold_noticed<kTile>(Fault::kFewerArrivals, "an arrival too few");
  hold_noticed<kTile>(Fault::kMoreArrivals, "an arrival too many");
  if (!kSm90Tiles[kTile].in_turns) return;
  hold_noticed<kTile>(Fault::kNoTurn, "turns that are not kept");
  hold_noticed<kTile>(Fault::kTurnNotPassed, "turns that are not passed on");
}

}  // namespace

void test_roles() {
  static_assert(kSm90TileCount == 5);
  test_tile<0>();
  test_tile<1>();
  test_tile<2>();
  test_tile<3>();
  test_tile<4>();
  done("roles");
}

}  // namespace qavit::cuda::test
