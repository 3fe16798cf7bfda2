#include "cpu/available_cores.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#if defined(__linux__)
#include <sched.h>
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

// cgroup v2: "max 100000" or "150000 100000" in cpu.max of this process's group and of every group above it.
int cgroup2_cores() {
  std::ifstream groups("/proc/self/cgroup");
  std::string path;
  for (std::string line; std::getline(groups, line);) {
    if (line.rfind("0::", 0) == 0) path = line.substr(3);
  }
  int cores = 0;
  while (true) {
    std::ifstream file("/sys/fs/cgroup" + (path == "/" ? "" : path) + "/cpu.max");
    std::string quota;
    double period = 0;
    if (file >> quota >> period && quota != "max") {
      const int here = quota_cores(std::strtod(quota.c_str(), nullptr), period);
      if (here > 0) cores = cores == 0 ? here : std::min(cores, here);
    }
    if (path.empty() || path == "/") return cores;
    path.resize(path.find_last_of('/'));
  }
}

int cgroup1_cores() {
  double quota = 0, period = 0;
  std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> quota;
  std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
  return quota_cores(quota, period);
}
#endif

}  // namespace

int available_cores() {
  int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
#if defined(__linux__)
  for (const int limit : {affinity_cores(), cgroup2_cores(), cgroup1_cores()}) {
    if (limit > 0) cores = std::min(cores, limit);
  }
#endif
  return cores;
}

}  // namespace qavit::cpu
