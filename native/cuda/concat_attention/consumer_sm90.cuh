// A consumer warpgroup of attention_sm90_kernel.cuh: 64 queries against every key tile.
//
// A lane holds, of its warp's 16 queries, rows lane / 4 and lane / 4 + 8, and of every 8 columns the two from
// 2 (lane % 4) on: as scores, as weights and as sums alike (device/sm90/wgmma.cuh), so that a tile's scores become the
// left operand of the product with the values without leaving their lane.
//
// Per tile, with waits (=), in program order:
//   = k_full   scores = q k^T (kWidth / 16 wgmma)   = wgmma   k_empty <- warp   mask, weights, sums corrected
//   = v_full   sums += weights v (4 wgmma)          = wgmma   v_empty <- warp
// A warp arrives at `empty` after wgmma.wait_group 0, so no product of it reads the tile any more. Products of a
// warpgroup and exponentials of others overlap, since nothing orders warpgroups but the ring.
#pragma once

#include <cmath>

#include "cuda/concat_attention/producer_sm90.cuh"
#include "cuda/device/exp2.cuh"
#include "cuda/device/reduce.cuh"
#include "cuda/device/sm90/wgmma.cuh"
#include "cuda/device/types.cuh"

namespace qavit::cuda {

// The reference of two rows' softmax and the sums of their weights. As in warp_queries.cuh, the reference follows the
// maximum at a distance of at most 2^8, and whether a row is rescaled depends on that row alone.
class SoftmaxRows {
 public:
  // Scores become weights; where a reference rises, earlier sums are rescaled.
  template <int kKeyBlocks, int kSumBlocks>
  __device__ void weigh(float (&scores)[kKeyBlocks][4], float scale, float (&sums)[kSumBlocks][4]) {
    float correction[2];
    bool rises = false;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float largest = -INFINITY;
#pragma unroll
      for (int j = 0; j < kKeyBlocks; ++j) {
        largest = fmaxf(largest, fmaxf(scores[j][2 * half], scores[j][2 * half + 1]));
      }
      largest = warp_max<4>(largest);
      const bool row_rises = (largest - reference_[half]) * scale > kLag;
      correction[half] = row_rises ? exp2_approximate((reference_[half] - largest) * scale) : 1.0f;
      if (row_rises) reference_[half] = largest;
      rises |= row_rises;
    }
    if (__any_sync(kWholeWarp, rises)) rescale(correction, sums);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      // A row that has met only scores of -inf has weights of 0 and no NaN yet.
      const float offset = reference_[half] == -INFINITY ? 0.0f : -reference_[half] * scale;
#pragma unroll
      for (int j = 0; j < kKeyBlocks; ++j) {
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          scores[j][i] = exp2_approximate(fmaf(scores[j][i], scale, offset));
          total_[half] += scores[j][i];
        }
      }
    }
  }

  // What the sums of row `half` have to be multiplied with in the end.
  __device__ float factor(int half) const { return 1.0f / warp_sum<4>(total_[half]); }

 private:
  static constexpr float kLag = 8.0f;  // powers of 2: weights fit f16

  template <int kSumBlocks>
  __device__ void rescale(const float (&correction)[2], float (&sums)[kSumBlocks][4]) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      total_[half] *= correction[half];
#pragma unroll
      for (int j = 0; j < kSumBlocks; ++j) {
        sums[j][2 * half] *= correction[half];
        sums[j][2 * half + 1] *= correction[half];
      }
    }
  }

  float reference_[2] = {-INFINITY, -INFINITY};
  float total_[2] = {};
};

template <typename T, typename Tiles>
class Consumer {
 public:
  static constexpr int kKeyBlocks = Tiles::kKeys / 8;

  // `group`: which of the consumers; `rows`: its queries, which must have arrived before attend(). A warp without any
  // takes part in the products, which a warpgroup makes together, and leaves the exponentials to the others: 3 of the 4
  // warps of every tenth warpgroup where M is 577. Whatever its sums become is not stored.
  __device__ Consumer(unsigned char* shared, AttentionBarriers<Tiles::kStages>& barriers, int group, int rows)
      : shared_(shared),
        barriers_(barriers),
        group_(group),
        has_queries_(static_cast<int>(threadIdx.x) / 32 % 4 * 16 < rows) {}

  // Meets the next tile of the ring, `count` keys; kWhole says that count is kKeys.
  template <bool kWhole>
  __device__ void attend(int count, float scale) {
    float scores[kKeyBlocks][4];
    multiply_keys(scores);
    if (has_queries_) {
      if constexpr (!kWhole) mask(scores, count);
      softmax_.weigh(scores, scale, sums_);
    }
    add_values(scores);
    at_.advance();
  }

  // Stores the finished rows by way of the queries' place, in the layout that they arrived in: the tensor copy engine
  // leaves out rows past M and columns past D. Nobody needs the queries any more after the first barrier: every warp
  // has waited for its last product with them. After the second, all rows are written and visible to the engine.
  __device__ void store(const CUtensorMap& out, const AttentionWork& work) {
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32 % 4;
    const float factor[2] = {softmax_.factor(0), softmax_.factor(1)};
    unsigned char* const queries = shared_ + group_ * Tiles::kGroupBytes;
    group_barrier();
#pragma unroll
    for (int j = 0; j < Tiles::kWidth / 8; ++j) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const auto line = static_cast<uint32_t>(16 * warp + 8 * half + lane / 4);
        const uint32_t place = sm90::element_place(line, static_cast<uint32_t>(j % 8 * 8 + lane % 4 * 2));
        *reinterpret_cast<uint32_t*>(queries + j / 8 * Tiles::kQueryPanelBytes + place) =
            pack_pair<T>(sums_[j][2 * half] * factor[half], sums_[j][2 * half + 1] * factor[half]);
      }
    }
    sm90::fence_async_proxy();
    group_barrier();
    if (warp == 0 && lane == 0) {
      const int row = work.query_tile * Tiles::kQueryRows + group_ * Tiles::kGroupRows;
      for (int panel = 0; panel < Tiles::kPanels; ++panel) {
        sm90::tma_store(out, queries + panel * Tiles::kQueryPanelBytes, panel * 64, work.head, row, work.batch);
      }
      sm90::tma_store_commit();
      sm90::tma_store_wait<0>();  // shared memory ends with the block
    }
  }

 private:
  __device__ void group_barrier() const {
    // Constants, since a number that is only known at run time reserves all 16 barriers.
    if (group_ == 0) {
      sm90::named_barrier_sync<sm90::kWarpgroupThreads>(kFirstConsumerBarrier);
    } else {
      sm90::named_barrier_sync<sm90::kWarpgroupThreads>(kFirstConsumerBarrier + 1);
    }
  }

  // One arrival a warp, which has waited for all its products with the tile.
  __device__ static void release(sm90::Mbarrier& empty) {
    if (threadIdx.x % 32 == 0) empty.arrive();
  }

  __device__ void multiply_keys(float (&scores)[kKeyBlocks][4]) {
    const uint64_t q = sm90::k_major_descriptor(shared_address(shared_) + group_ * Tiles::kGroupBytes);
    const uint64_t k = sm90::k_major_descriptor(shared_address(shared_) + Tiles::key_tile(at_.slot));
    barriers_.k_full[at_.slot].wait(at_.full_parity());
    sm90::wgmma_fence();
#pragma unroll
    for (int step = 0; step < Tiles::kWidth / 16; ++step) {
      const uint64_t q_panel = q + step / 4 * sm90::descriptor_step(Tiles::kQueryPanelBytes);
      const uint64_t k_panel = k + step / 4 * sm90::descriptor_step(Tiles::kKeyPanelBytes);
      sm90::wgmma<T>(scores, q_panel + step % 4 * sm90::kKMajorStep, k_panel + step % 4 * sm90::kKMajorStep, step > 0);
    }
    sm90::wgmma_commit();
    sm90::wgmma_wait<0>(scores);
    release(barriers_.k_empty[at_.slot]);
  }

  __device__ static void mask(float (&scores)[kKeyBlocks][4], int count) {
    const int column = static_cast<int>(threadIdx.x) % 4 * 2;
#pragma unroll
    for (int j = 0; j < kKeyBlocks; ++j) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (8 * j + column + i % 2 >= count) scores[j][i] = -INFINITY;
      }
    }
  }

  __device__ void add_values(const float (&weights)[kKeyBlocks][4]) {
    uint32_t left[Tiles::kKeys / 16][4];
#pragma unroll
    for (int step = 0; step < Tiles::kKeys / 16; ++step) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float(&w)[4] = weights[2 * step + i / 2];
        left[step][i] = pack_pair<T>(w[i % 2 * 2], w[i % 2 * 2 + 1]);
      }
    }
    const uint64_t v =
        sm90::mn_major_descriptor(shared_address(shared_) + Tiles::value_tile(at_.slot), Tiles::kKeyPanelBytes);
    barriers_.v_full[at_.slot].wait(at_.full_parity());
    sm90::wgmma_fence();
#pragma unroll
    for (int step = 0; step < Tiles::kKeys / 16; ++step) {
      sm90::wgmma<T, sm90::Major::kMn>(sums_, left[step], v + step * sm90::kMnMajorStep, true);
    }
    sm90::wgmma_commit();
    sm90::wgmma_wait<0>(sums_);
#pragma unroll
    for (int step = 0; step < Tiles::kKeys / 16; ++step) {
      // Not before the wait may their registers serve anything else.
      asm volatile("" : "+r"(left[step][0]), "+r"(left[step][1]), "+r"(left[step][2]), "+r"(left[step][3]));
    }
    release(barriers_.v_empty[at_.slot]);
  }

  unsigned char* shared_;
  AttentionBarriers<Tiles::kStages>& barriers_;
  int group_;
  bool has_queries_;
  sm90::RingPosition<Tiles::kStages> at_;
  SoftmaxRows softmax_;
  float sums_[Tiles::kWidth / 8][4] = {};
};

}  // namespace qavit::cuda
