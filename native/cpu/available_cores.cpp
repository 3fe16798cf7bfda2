#include "cpu/available_cores.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#if defined(__linux__)
#include <sched.h>

#include "core/cgroup.h"
#endif

namespace qavit::cpu {

namespace {

#if defined(__linux__)
int affinity_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
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
