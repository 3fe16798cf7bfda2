// Sums of any product: dtypes, tails, batch entries apart and factors as they come, through the functions of
// epilogue.cuh; arranged for a kernel that keeps 128 sums a thread and has no other warps to hide latencies behind.
//
// Pieces of 16 rows x 32 columns pass through the warp's own shared memory. Which registers a piece is in must be known
// to the compiler, but the code that finishes a piece should exist once: so the loop over pieces is a loop, and inside
// it stands one guarded write for every piece. Bias and residual of a piece are asked for before its sums are turned, 4
// rows a lane at once, since the residual's way from memory is what takes longest.
#pragma once

#include "cuda/linear/epilogue.cuh"
#include "cuda/linear/gemm.h"
#include "cuda/linear/linear_sm90_sums.cuh"

namespace qavit::cuda {

// Four neighbours of any float dtype, not yet converted: what has been loaded need not have arrived.
struct LoadedVector {
  Pack<uint32_t, 4> words;

  __device__ void load(const MatrixRows& m, int64_t offset) {
    if (m.dtype == DType::kF32) {
      words = Pack<uint32_t, 4>::load(static_cast<const uint32_t*>(m.data) + offset);
    } else {
      const auto half =
          Pack<uint32_t, 2>::load(reinterpret_cast<const uint32_t*>(static_cast<const bf16*>(m.data) + offset));
      words[0] = half[0];
      words[1] = half[1];
    }
  }

  template <typename T>
  __device__ void add_to(float (&values)[kVector]) const {
    T elements[kVector];
    memcpy(elements, &words, sizeof elements);
#pragma unroll
    for (int i = 0; i < kVector; ++i) values[i] += to_float(elements[i]);
  }
};

// What one lane finishes of a piece: kVector columns of every fourth of its 16 rows.
class LanePiece {
 public:
  static constexpr int kRows = 4;
  static constexpr int kRowStep = 4;

  __device__ LanePiece(const Gemm& g, int group, int first_row, int first_column)
      : g_(g),
        lane_row_(first_row + static_cast<int>(threadIdx.x % 32) / 8),
        column_(first_column + static_cast<int>(threadIdx.x % 8) * kVector),
        origin_(group * g.out) {
    const Epilogue& e = g.epilogue;
    together_ = column_ + kVector <= g.out && e.y.vectors && (e.residual.data == nullptr || e.residual.vectors);
  }

  // Asks for bias and residual.
  __device__ void prepare() {
    const Epilogue& e = g_.epilogue;
    if (!together_) return;
    if (e.bias != nullptr) bias_ = Pack<float, kVector>::load(e.bias + origin_ + column_);
    if (e.residual.data == nullptr) return;
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      if (inside(i)) residual_[i].load(e.residual, place(e.residual, i));
    }
  }

  __device__ void finish(float (&values)[kRows][kVector]) {
    if (column_ >= g_.out) return;
    if (together_) {
      finish_together(values);
      return;
    }
#pragma unroll 1
    for (int i = 0; i < kRows; ++i) {
      float row[kVector];
#pragma unroll
      for (int v = 0; v < kVector; ++v)
        row[v] = i == 0 ? values[0][v] : i == 1 ? values[1][v] : i == 2 ? values[2][v] : values[3][v];
      if (inside(i)) finish_columns(g_.epilogue, row_of(i), origin_ + column_, min(kVector, g_.out - column_), row);
    }
  }

 private:
  __device__ uint32_t row_of(int i) const { return static_cast<uint32_t>(lane_row_ + i * kRowStep); }
  __device__ bool inside(int i) const { return lane_row_ + i * kRowStep < g_.rows; }
  __device__ int64_t place(const MatrixRows& m, int i) const {
    return row_offset(m, g_.epilogue.batch_rows, row_of(i)) + origin_ + column_;
  }

  __device__ void finish_together(float (&values)[kRows][kVector]) {
    const Epilogue& e = g_.epilogue;
    if (e.bias != nullptr) {
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
#pragma unroll
        for (int v = 0; v < kVector; ++v) values[i][v] += bias_[v];
      }
    }
    activate(e.activation, e.y.dtype == DType::kBF16, values);
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
#pragma unroll
      for (int v = 0; v < kVector; ++v) values[i][v] *= e.alpha;
    }
    if (e.residual.data != nullptr) add_residual(e.residual.dtype, values);
    switch (e.y.dtype) {
      case DType::kBF16:
        return store<bf16>(values);
      case DType::kF16:
        return store<f16>(values);
      default:
        return store<float>(values);
    }
  }

  template <Activation kActivation>
  __device__ static void activate(bool narrow, float (&values)[kRows][kVector]) {
    if (narrow) {
#pragma unroll
      for (int i = 0; i < kRows; ++i) activate_columns<kActivation, true>(values[i]);
    } else {
#pragma unroll
      for (int i = 0; i < kRows; ++i) activate_columns<kActivation, false>(values[i]);
    }
  }

  // One branch for all of a lane's elements.
  __device__ static void activate(Activation activation, bool narrow, float (&values)[kRows][kVector]) {
    switch (activation) {
      case Activation::kNone:
        break;
      case Activation::kRelu:
        return activate<Activation::kRelu>(narrow, values);
      case Activation::kGeluErf:
        return activate<Activation::kGeluErf>(narrow, values);
      case Activation::kGeluTanh:
        return activate<Activation::kGeluTanh>(narrow, values);
      case Activation::kQuickGelu:
        return activate<Activation::kQuickGelu>(narrow, values);
      case Activation::kSilu:
        return activate<Activation::kSilu>(narrow, values);
      case Activation::kTanh:
        return activate<Activation::kTanh>(narrow, values);
    }
  }

  __device__ void add_residual(DType dtype, float (&values)[kRows][kVector]) const {
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      if (dtype == DType::kBF16) {
        residual_[i].add_to<bf16>(values[i]);
      } else if (dtype == DType::kF16) {
        residual_[i].add_to<f16>(values[i]);
      } else {
        residual_[i].add_to<float>(values[i]);
      }
    }
  }

  template <typename T>
  __device__ void store(const float (&values)[kRows][kVector]) const {
    const MatrixRows& y = g_.epilogue.y;
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      if (inside(i)) store_columns<T>(y, place(y, i), kVector, values[i]);
    }
  }

  const Gemm& g_;
  const int lane_row_, column_, origin_;  // origin_: the group's first column
  bool together_;
  Pack<float, kVector> bias_;
  LoadedVector residual_[kRows];
};

// `staging` is the warp's own.
template <int kTile>
__device__ inline void finish_pieces(const Gemm& g, const Sm90Place& place, const Sm90Sums<kTile>& sums,
                                     float* staging) {
  using K = Sm90Constants<kTile>;
  constexpr int kPieceBlocks = kSm90PieceColumns / 8;
  constexpr int kPieces = K::kBlocks / kPieceBlocks;  // of a part
  static_assert(K::kStagingFloats == kStagedFloats<kPieceBlocks>);
  const int lane = static_cast<int>(threadIdx.x % 32);
  float* const write = staging + lane / 4 * kStagedRow<kPieceBlocks> + lane % 4 * 2;
  const float* const read = staging + lane / 8 * kStagedRow<kPieceBlocks> + lane % 8 * kVector;

#pragma unroll 1
  for (int i = 0; i < K::kParts * kPieces; ++i) {
    LanePiece piece(g, place.group, place.row + i / kPieces * 64, place.column + i % kPieces * kSm90PieceColumns);
    piece.prepare();
    __syncwarp();  // the piece before this one has been read
#pragma unroll
    for (int part = 0; part < K::kParts; ++part) {
#pragma unroll
      for (int j = 0; j < K::kBlocks; ++j) {
        if (i != part * kPieces + j / kPieceBlocks) continue;
        float* const to = write + j % kPieceBlocks * 8;
        pair_of(sums[part][j], 0).store(to);
        pair_of(sums[part][j], 1).store(to + 8 * kStagedRow<kPieceBlocks>);
      }
    }
    __syncwarp();
    float values[LanePiece::kRows][kVector];
#pragma unroll
    for (int r = 0; r < LanePiece::kRows; ++r) {
      const auto staged = Pack<float, kVector>::load(read + r * LanePiece::kRowStep * kStagedRow<kPieceBlocks>);
#pragma unroll
      for (int v = 0; v < kVector; ++v) values[r][v] = staged[v];
    }
    piece.finish(values);
  }
}

}  // namespace qavit::cuda
