#pragma once

#include "cuda.h"
#include "cuda/device/sm90/mbarrier.cuh"

namespace qavit::cuda::sm90 {

inline void prefetch_tensor_map(const CUtensorMap&) {}

inline void tma_prefetch(const CUtensorMap& map, int c0, int c1) { emulation::check_box(map, {c0, c1}); }

// Coordinates: as many as the map has dimensions.
template <typename... Coordinates>
void tma_load(void* shared, const CUtensorMap& map, Mbarrier& full, Coordinates... at) {
  emulation::check_waited();
  emulation::start_load(shared, map, {at...}, [&full](uint32_t bytes) { full.deliver(bytes); });
}
inline void tma_load_constant(void* shared, const CUtensorMap& map, Mbarrier& full, int c0, int c1) {
  emulation::start_load(shared, map, {c0, c1}, [&full](uint32_t bytes) { full.deliver(bytes); });
}
template <typename... Coordinates>
void tma_store(const CUtensorMap& map, const void* shared, Coordinates... at) {
  emulation::start_store(map, shared, {at...});
}
inline void tma_store_commit() {}
template <int kGroups>
inline void tma_store_wait() {
  static_assert(kGroups == 0);
  emulation::finish_stores();
}

}  // namespace qavit::cuda::sm90
