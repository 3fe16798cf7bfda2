// The sums of a warp on their way to memory. Which way they take is decided once a tile, for all its threads alike; all
// give the same bits, since bias, activation, residual and rounding follow each other alike:
//
//   parts    f32 as they are, still to be added                       straight from the registers (.._pairs.cuh)
//   pairs    f32, bias and an f32 residual                            the same
//   lines    16-bit, bias and the activations of vision towers        whole lines through shared memory (.._lines.cuh)
//   pieces   all else                                                 any dtype, any tail (.._pieces.cuh)
//
// The first three stand in straight code, every element once a register. The last is a loop, which is smaller and some
// four times slower.
#pragma once

#include "cuda/linear/block_work.cuh"
#include "cuda/linear/linear_sm90_lines.cuh"
#include "cuda/linear/linear_sm90_pairs.cuh"
#include "cuda/linear/linear_sm90_pieces.cuh"

namespace qavit::cuda {

enum class Sm90Finish : uint8_t { kPieces, kPairs, kLines };

// For `columns` of a tile of a product of T, from `place` on, which are whole lines or end with the group's last.
template <typename T>
__device__ inline Sm90Finish choose_finish(const Gemm& g, const Sm90Place& place, int columns) {
  const Epilogue& e = g.epilogue;
  const bool whole = min(columns, g.out - place.column) % kSm90LineColumns == 0;
  if (!whole || e.batch_rows < static_cast<uint32_t>(g.rows) || e.alpha != 1.0f || !e.y.vectors) {
    return Sm90Finish::kPieces;
  }
  const bool residual = e.residual.data != nullptr;
  if (e.y.dtype == DType::kF32) {
    const bool loads = !residual || (e.residual.dtype == DType::kF32 && e.residual.vectors);
    return loads && e.activation == Activation::kNone ? Sm90Finish::kPairs : Sm90Finish::kPieces;
  }
  constexpr DType kDType = std::is_same_v<T, bf16> ? DType::kBF16 : DType::kF16;
  const auto first = reinterpret_cast<uintptr_t>(static_cast<const T*>(e.y.data) + place.group * g.out);
  const bool chunks = first % 16 == 0 && e.y.row_stride % 8 == 0;
  const bool activates = e.activation == Activation::kNone || e.activation == Activation::kQuickGelu ||
                         e.activation == Activation::kGeluErf || e.activation == Activation::kGeluTanh;
  return e.y.dtype == kDType && chunks && activates && !residual ? Sm90Finish::kLines : Sm90Finish::kPieces;
}

// Of warp 0 to 7 of the consumers.
template <int kTile>
__device__ inline Sm90Place place_of(const BlockWork& work, int warp) {
  constexpr Sm90Tile kT = kSm90Tiles[kTile];
  const Sm90Part part = sm90_part<kTile>(warp / 4);
  return {work.group, work.row_tile * kT.rows + part.row + warp % 4 * 16, work.column_tile * kT.columns + part.column};
}

// Finishes the sums of a warp, or stores them as they are where the sum is split. `staging` is
// the warp's own.
template <typename T, int kTile>
__device__ inline void finish_sums(const Gemm& g, float* partials, const BlockWork& work, int warp,
                                   const Sm90Sums<kTile>& sums, float* staging) {
  using K = Sm90Constants<kTile>;
  const Sm90Place place = place_of<kTile>(work, warp);
  if (place.row >= g.rows || place.column >= g.out) return;
  if (partials != nullptr) return store_partials<kTile>(g, partials, work.split, place, sums);
  switch (choose_finish<T>(g, place, K::kPartColumns)) {
    case Sm90Finish::kPairs:
      return g.epilogue.residual.data != nullptr ? finish_pairs<true, kTile>(g, place, sums)
                                                 : finish_pairs<false, kTile>(g, place, sums);
    case Sm90Finish::kLines:
      switch (g.epilogue.activation) {
        case Activation::kQuickGelu:
          return finish_lines<T, Activation::kQuickGelu, kTile>(g, place, sums, staging);
        case Activation::kGeluErf:
          return finish_lines<T, Activation::kGeluErf, kTile>(g, place, sums, staging);
        case Activation::kGeluTanh:
          return finish_lines<T, Activation::kGeluTanh, kTile>(g, place, sums, staging);
        default:
          return finish_lines<T, Activation::kNone, kTile>(g, place, sums, staging);
      }
    default:
      return finish_pieces<kTile>(g, place, sums, staging);
  }
}

}  // namespace qavit::cuda
