// Where Linux keeps the limits that this process is under.
#pragma once

#include <string>
#include <vector>

namespace qavit {

// Folders of /sys/fs/cgroup whose limits of `controller` ("cpu", "memory") hold for this process: its own group's and
// those of all groups above it, of cgroup v2 and of v1's hierarchy for the controller. Inside a container they may name
// groups that are not to be seen there; the topmost, which is the container's own, is. Empty outside Linux.
std::vector<std::string> cgroup_folders(const std::string& controller);

}  // namespace qavit
