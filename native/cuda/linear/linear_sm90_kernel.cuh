// y = residual + alpha * activation(x W^T + bias) on Hopper: bf16 or f16 operands, f32 sums.
//
// One block of three warpgroups stays on each multiprocessor and takes one item (linear_sm90_items.h) after another.
// One thread of the first warpgroup, the producer, has the tensor copy engine fill a ring of stages; the other two, the
// consumers, multiply out of it with wgmma and finish the sums. linear_sm90_roles.h holds what they do and why no stage
// is read before it is full or filled before it has been read. The ring runs on across items: the next item's first
// stages are on their way while this one's sums are finished.
//
//   producer   | fill 0 | fill 1 | fill 2 | fill 3 | fill 0 ...                      TMA: x [rows, 64], W [columns, 64]
//                   | full 0                  ^ empty 0
//   together        v                         |
//   consumer 0      | mma 0 (upper rows) ...  |            finish |
//   consumer 1      | mma 0 (lower rows) ...  |            finish |
//   in turns
//   consumer 0      | mma of item 0 .......... | finish item 0 .......| mma of item 2 ...
//   consumer 1        finish ..........| turn  | mma of item 1 .......| finish item 1 ...
//
// Shared memory of a block, from a multiple of 1024 on (dynamic shared memory is all there is; its base is aligned by
// declaration, device/shared.cuh):
//   stages x { x tile [rows, 64], W tile [columns, 64] }     K-major, one 128-byte line a row, 128-byte swizzle
//   8 warps x staging                                        ordinary accesses only, by the warp itself
//   full [stages], empty [stages], turn [2]                  mbarriers, 8-byte aligned
// Tiles are multiples of 64 rows, so 8 KiB: every tile and every consumer's part of one begins a swizzle pattern.
//
// A stage's bytes: both boxes are counted whole, (rows + columns) * 64 * 2, also where they hang over an edge, since
// the engine writes zeros there. What is read past an edge:
//   x rows past the last            zeros; their sums are not stored
//   x columns past `in`             zeros: the map ends at `in`, and has groups as a third dimension so that one
//   group's
//                                   row does not run on into the next group's
//   W columns past `in`             zeros, stored there by upload (weight.h), up to a multiple of 64
//   W rows past the group's last    the next group's, or zeros past all; their sums are not stored
// So whatever lies around the operands, NaN too, reaches no sum that is stored.
//
// Proxies. The ring is written by the copy engine and read by wgmma, both in the async proxy: full (acquired by
// waiting) orders a read after the write, and empty, arrived at after wgmma's wait, orders the next write after the
// read. The staging is written and read by ordinary instructions of one warp. Nothing crosses, so no fence is needed
// beyond the one after the barriers' initialisation.
//
// Registers. 384 threads are launched with 168 each. The producer goes down to 40, consumers up to 232: 40 + 2 * 232 =
// 504 = 3 * 168. A consumer holds up to 128 sums.
//
// Never run on a GPU yet: docs/kernels/gemm_sm90.md says what to measure first.
#pragma once

#include "cuda/device/dependent_launch.cuh"
#include "cuda/device/sm90/tma.cuh"
#include "cuda/device/sm90/warpgroup.cuh"
#include "cuda/device/sm90/wgmma.cuh"
#include "cuda/linear/linear_sm90_constants.h"
#include "cuda/linear/linear_sm90_epilogue.cuh"
#include "cuda/linear/linear_sm90_roles.h"

namespace qavit::cuda {

constexpr int kSm90Threads = (1 + kSm90Consumers) * sm90::kWarpgroupThreads;

// The block's shared memory.
template <int kTile>
class Sm90Shared {
 public:
  __device__ explicit Sm90Shared(unsigned char* base) : base_(base) {}

  __device__ unsigned char* x(int slot) const { return base_ + slot * K::kStageBytes; }
  __device__ unsigned char* weight(int slot) const { return x(slot) + K::kXBytes; }
  __device__ float* staging(int warp) const {
    return reinterpret_cast<float*>(base_ + kStages * K::kStageBytes) + warp * K::kStagingFloats;
  }
  __device__ sm90::Mbarrier& full(int slot) const { return barriers()[slot]; }
  __device__ sm90::Mbarrier& empty(int slot) const { return barriers()[kStages + slot]; }
  __device__ sm90::Mbarrier& turn(int consumer) const { return barriers()[2 * kStages + consumer]; }

  __device__ void init_barriers() const {
    for (int slot = 0; slot < kStages; ++slot) {
      full(slot).init(1);
      empty(slot).init(K::kReaders);
    }
    for (int consumer = 0; consumer < kSm90Consumers; ++consumer) turn(consumer).init(4);
    sm90::publish_barriers();
  }

 private:
  using K = Sm90Constants<kTile>;
  static constexpr int kStages = K::kT.stages;

  __device__ sm90::Mbarrier* barriers() const { return reinterpret_cast<sm90::Mbarrier*>(staging(kSm90Consumers * 4)); }

  unsigned char* base_;
};

// The producer's Machine; one thread.
template <int kTile>
class Sm90Producer {
 public:
  __device__ Sm90Producer(const Sm90Shared<kTile>& shared, const CUtensorMap& x, const CUtensorMap& weight, int out)
      : shared_(shared), x_(x), weight_(weight), out_(out) {}

  __device__ void wait_empty(int slot, uint32_t parity) { shared_.empty(slot).wait(parity); }

  __device__ void expect(int slot) { shared_.full(slot).arrive_and_expect(K::kStageBytes); }

  __device__ void load_x(int slot, const BlockWork& work, int stage) {
    sm90::tma_load(shared_.x(slot), x_, shared_.full(slot), stage * Sm90Tile::kDepth, work.row_tile * K::kT.rows,
                   work.group);
  }

  __device__ void load_weight(int slot, const BlockWork& work, int stage) {
    sm90::tma_load_constant(shared_.weight(slot), weight_, shared_.full(slot), stage * Sm90Tile::kDepth,
                            work.group * out_ + work.column_tile * K::kT.columns);
  }

 private:
  using K = Sm90Constants<kTile>;

  const Sm90Shared<kTile> shared_;
  const CUtensorMap& x_;
  const CUtensorMap& weight_;
  const int out_;
};

// A consumer's Machine; all 128 threads. Barriers are waited for by every thread and arrived at by one a warp.
template <typename T, int kTile>
class Sm90Consumer {
 public:
  __device__ Sm90Consumer(const Sm90Shared<kTile>& shared, const Gemm& g, float* partials, int consumer)
      : shared_(shared), g_(g), partials_(partials), warp_(consumer * 4 + static_cast<int>(threadIdx.x % 128) / 32) {
    const Sm90Part part = sm90_part<kTile>(consumer);
    x_ = sm90::k_major_descriptor(shared_address(shared_.x(0)) + part.row * sm90::kLineBytes);
    weight_ = sm90::k_major_descriptor(shared_address(shared_.weight(0)) + part.column * sm90::kLineBytes);
  }

  __device__ void wait_turn(int consumer, uint32_t parity) { shared_.turn(consumer).wait(parity); }
  __device__ void pass_turn(int to) { arrive(shared_.turn(to)); }
  __device__ void wait_full(int slot, uint32_t parity) { shared_.full(slot).wait(parity); }
  __device__ void release(int slot) { arrive(shared_.empty(slot)); }

  __device__ void begin_sums() {
#pragma unroll
    for (int part = 0; part < K::kParts; ++part) {
#pragma unroll
      for (int j = 0; j < K::kBlocks; ++j) {
#pragma unroll
        for (int v = 0; v < 4; ++v) sums_[part][j][v] = 0.0f;
      }
    }
  }

  // Starts the stage's products, as one group: 4 steps of 16 along the sum.
  __device__ void multiply(int slot) {
    const uint64_t stage = slot * sm90::descriptor_step(K::kStageBytes);
    sm90::wgmma_fence();
#pragma unroll
    for (int step = 0; step < Sm90Tile::kDepth / 16; ++step) {
#pragma unroll
      for (int part = 0; part < K::kParts; ++part) {
        sm90::wgmma<T>(sums_[part], x_ + stage + part * sm90::kRowsStep + step * sm90::kKMajorStep,
                       weight_ + stage + step * sm90::kKMajorStep, true);
      }
    }
    sm90::wgmma_commit();
  }

  // The tensor cores always have the next stage's products to go on with.
  __device__ void wait_for_products_before_last() { sm90::wgmma_wait<1>(); }

  __device__ void wait_for_all_products() {
    sm90::wgmma_wait<0>();
#pragma unroll
    for (int part = 0; part < K::kParts; ++part) sm90::pin_registers(sums_[part]);
  }

  __device__ void finish(const BlockWork& work) {
    finish_sums<T, kTile>(g_, partials_, work, warp_, sums_, shared_.staging(warp_));
  }

 private:
  using K = Sm90Constants<kTile>;

  // For the whole warp: lanes may leave a wait one after the other, and the last must have left before the barrier it
  // waited for can move on.
  __device__ static void arrive(sm90::Mbarrier& barrier) {
    __syncwarp();
    if (threadIdx.x % 32 == 0) barrier.arrive();
  }

  const Sm90Shared<kTile> shared_;
  const Gemm& g_;
  float* const partials_;
  const int warp_;       // of the consumers' 8
  uint64_t x_, weight_;  // descriptors of this consumer's part in slot 0
  Sm90Sums<kTile> sums_;
};

// Brings the weights of the block's first item that its ring has no room for yet into L2. The blocks of a band
// (block_work.cuh) multiply the same ones: each asks for its part of the stages.
template <int kTile>
__device__ inline void prefetch_weights(const Sm90Items& items, int block, const CUtensorMap& weight, int out) {
  constexpr Sm90Tile kT = kSm90Tiles[kTile];
  const BlockWork work = items.work(block);
  const Sm90Items::Span span = items.span(work);
  const int column = work.group * out + work.column_tile * kT.columns;
  const int first = stages_ahead<kTile>(span) + work.row_tile % kBand;
  for (int i = first; i < span.count; i += min(kBand, items.grid.row_tiles)) {
    sm90::tma_prefetch(weight, (span.first + i) * Sm90Tile::kDepth, column);
  }
}

template <typename T, int kTile>
__global__ void __launch_bounds__(kSm90Threads, 1)
    linear_sm90_kernel(const __grid_constant__ CUtensorMap x, const __grid_constant__ CUtensorMap weight,
                       const __grid_constant__ Gemm g, const __grid_constant__ Sm90Items items) {
  QAVIT_DYNAMIC_SHARED(base);
  const Sm90Shared<kTile> shared(base);
  const int block = static_cast<int>(blockIdx.x);
  Sm90Producer<kTile> producer(shared, x, weight, g.out);
  if (threadIdx.x == 0) {
    sm90::prefetch_tensor_map(x);
    sm90::prefetch_tensor_map(weight);
    shared.init_barriers();
    load_weights_ahead<kTile>(items, block, producer);
    prefetch_weights<kTile>(items, block, weight, g.out);
  }
  follow_earlier_kernels();
  __syncthreads();

  if (threadIdx.x < sm90::kWarpgroupThreads) {
    sm90::lower_registers<40>();
    if (threadIdx.x == 0) produce_stages<kTile>(items, block, producer);
  } else {
    sm90::raise_registers<232>();
    const int index = static_cast<int>(threadIdx.x) / sm90::kWarpgroupThreads - 1;
    Sm90Consumer<T, kTile> consumer(shared, g, items.grid.partials, index);
    consume_stages<kTile>(items, block, index, consumer);
  }
}

}  // namespace qavit::cuda
