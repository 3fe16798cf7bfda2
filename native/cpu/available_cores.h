// How many cores this process may really use.
#pragma once

namespace qavit::cpu {

// The smallest of: cores the machine has, cores in the affinity mask, cgroup CPU quota (rounded up). At least 1.
int available_cores();

}  // namespace qavit::cpu
