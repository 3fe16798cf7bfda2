#include "cuda/emulation/warp.h"

#include <type_traits>

namespace qavit::cuda::emulation {

namespace {

struct Exchange {
  uint64_t bits;
  int source;
  uint64_t result;
};

void perform_exchange(const LaneOperands& operands) {
  for (void* const lane : operands.lane) {
    if (lane == nullptr) continue;
    auto* const to = static_cast<Exchange*>(lane);
    const auto* const from = static_cast<const Exchange*>(operands.lane[to->source]);
    to->result = from != nullptr ? from->bits : ~uint64_t{0};
  }
}

struct Ballot {
  bool predicate;
  uint32_t result;
};

void perform_ballot(const LaneOperands& operands) {
  uint32_t votes = 0;
  for (int i = 0; i < kWarpSize; ++i) {
    const auto* const vote = static_cast<const Ballot*>(operands.lane[i]);
    if (vote != nullptr && vote->predicate) votes |= 1u << i;
  }
  for (void* const lane : operands.lane) {
    if (lane != nullptr) static_cast<Ballot*>(lane)->result = votes;
  }
}

void want_all_lanes(const LaneOperands& operands) {
  for (const void* const lane : operands.lane) {
    if (lane == nullptr) fault("ldmatrix or mma without all 32 lanes");
  }
}

struct MatrixRow {
  uint16_t elements[8];
  uint32_t* registers;
};

// Register m of lane l gets elements 2 (l % 4) and the next of row l / 4 of matrix m; transposed, of column l / 4.
template <int kCount, bool kTransposed>
void perform_load(const LaneOperands& operands) {
  want_all_lanes(operands);
  const auto row = [&](int i) { return static_cast<const MatrixRow*>(operands.lane[i]); };
  for (int lane = 0; lane < kWarpSize; ++lane) {
    const int line = lane / 4, pair = lane % 4 * 2;
    for (int m = 0; m < kCount; ++m) {
      const uint32_t low = kTransposed ? row(8 * m + pair)->elements[line] : row(8 * m + line)->elements[pair];
      const uint32_t high = kTransposed ? row(8 * m + pair + 1)->elements[line] : row(8 * m + line)->elements[pair + 1];
      row(lane)->registers[m] = low | high << 16;
    }
  }
}

struct Fragments {
  float* d;
  const uint32_t* a;
  const uint32_t* b;
};

template <typename T>
float half_of(uint32_t pair, int half) {
  const T value = {static_cast<uint16_t>(pair >> (16 * half))};
  if constexpr (std::is_same_v<T, __half>) {
    return __half2float(value);
  } else {
    return __bfloat162float(value);
  }
}

template <typename T>
void perform_multiply_add(const LaneOperands& operands) {
  constexpr int kRows = 16, kColumns = 8, kDepth = 16;
  want_all_lanes(operands);
  const auto fragments = [&](int lane) { return static_cast<const Fragments*>(operands.lane[lane]); };
  float a[kRows][kDepth], b[kDepth][kColumns], d[kRows][kColumns];
  for (int lane = 0; lane < kWarpSize; ++lane) {
    const Fragments& f = *fragments(lane);
    const int line = lane / 4, pair = lane % 4 * 2;
    for (int half = 0; half < 2; ++half) {
      for (int i = 0; i < 4; ++i) a[line + i % 2 * 8][pair + half + i / 2 * 8] = half_of<T>(f.a[i], half);
      for (int i = 0; i < 2; ++i) b[pair + half + i * 8][line] = half_of<T>(f.b[i], half);
      for (int i = 0; i < 2; ++i) d[line + i * 8][pair + half] = f.d[2 * i + half];
    }
  }
  for (int k = 0; k < kDepth; ++k) {
    for (int r = 0; r < kRows; ++r) {
      for (int c = 0; c < kColumns; ++c) d[r][c] += a[r][k] * b[k][c];
    }
  }
  for (int lane = 0; lane < kWarpSize; ++lane) {
    const int line = lane / 4, pair = lane % 4 * 2;
    for (int i = 0; i < 4; ++i) fragments(lane)->d[i] = d[line + i / 2 * 8][pair + i % 2];
  }
}

}  // namespace

uint64_t exchange(uint32_t mask, uint64_t bits, int source, Site site) {
  Exchange operand = {bits, source & (kWarpSize - 1), 0};
  warp_instruction(perform_exchange, mask, &operand, site);
  return operand.result;
}

uint32_t ballot(uint32_t mask, bool predicate, Site site) {
  Ballot operand = {predicate, 0};
  warp_instruction(perform_ballot, mask, &operand, site);
  return operand.result;
}

template <int kCount, bool kTransposed>
void load_matrices(uint32_t (&registers)[kCount], const void* row, Site site) {
  MatrixRow operand = {{}, registers};
  if (lane() < 8 * kCount) {
    constexpr size_t kBytes = sizeof operand.elements;
    if (reinterpret_cast<uintptr_t>(row) % kBytes != 0) fault("ldmatrix of a row that is not 16-byte aligned");
    if (!current->block->shared().holds(row, kBytes)) fault("ldmatrix of a row outside of shared memory");
    std::memcpy(operand.elements, row, kBytes);
  }
  warp_instruction(perform_load<kCount, kTransposed>, kAllLanes, &operand, site);
}

template void load_matrices<1, false>(uint32_t (&)[1], const void*, Site);
template void load_matrices<1, true>(uint32_t (&)[1], const void*, Site);
template void load_matrices<2, false>(uint32_t (&)[2], const void*, Site);
template void load_matrices<2, true>(uint32_t (&)[2], const void*, Site);
template void load_matrices<4, false>(uint32_t (&)[4], const void*, Site);
template void load_matrices<4, true>(uint32_t (&)[4], const void*, Site);

template <typename T>
void multiply_add(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], Site site) {
  Fragments operand = {d, a, b};
  warp_instruction(perform_multiply_add<T>, kAllLanes, &operand, site);
}

template void multiply_add<__nv_bfloat16>(float (&)[4], const uint32_t (&)[4], const uint32_t (&)[2], Site);
template void multiply_add<__half>(float (&)[4], const uint32_t (&)[4], const uint32_t (&)[2], Site);

}  // namespace qavit::cuda::emulation
