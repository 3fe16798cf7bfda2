#include "cpu/available_cores.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>

#include "core/cgroup.h"
#endif

namespace qavit::cpu {

namespace {

#if defined(__linux__)
// 0 = unknown.
int affinity_cores() {
  // One set has room for 1,024 cores; a kernel that is built for more refuses what is smaller than its own mask.
  constexpr size_t kMostSets = 64;
  for (std::vector<cpu_set_t> sets(1); sets.size() <= kMostSets; sets.resize(sets.size() * 2)) {
    const size_t bytes = sets.size() * sizeof(cpu_set_t);
    if (sched_getaffinity(0, bytes, sets.data()) == 0) return CPU_COUNT_S(bytes, sets.data());
    if (errno != EINVAL) break;
  }
  return 0;
}

// Cores that a quota amounts to; 0 = no quota.
int quota_cores(double quota, double period) {
  return quota > 0 && period > 0 ? std::max(1, static_cast<int>(std::ceil(quota / period))) : 0;
}

// Of v2's "max 100000" or "150000 100000" in cpu.max, and of v1's two files; 0 = no quota.
int quota_of(const std::string& folder) {
  std::string quota;
  double period = 0;
  if (std::ifstream(folder + "/cpu.max") >> quota >> period) {
    return quota == "max" ? 0 : quota_cores(std::strtod(quota.c_str(), nullptr), period);
  }
  double quota_us = 0;
  std::ifstream(folder + "/cpu.cfs_quota_us") >> quota_us;
  std::ifstream(folder + "/cpu.cfs_period_us") >> period;
  return quota_cores(quota_us, period);
}
#endif

}  // namespace

int available_cores() {
  int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
#if defined(__linux__)
  const auto limit = [&cores](int to) {
    if (to > 0) cores = std::min(cores, to);
  };
  limit(affinity_cores());
  for (const std::string& folder : cgroup_folders("cpu")) limit(quota_of(folder));
#endif
  return cores;
}

}  // namespace qavit::cpu
