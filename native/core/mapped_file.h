// MappedFile: a file of parameters, read by region. Named for what its users see, a file they can address at any offset
// without loading it; underneath, regions are read with pread (ReadFile on Windows), not mmap. A mapped page of a file
// that somebody truncates meanwhile raises SIGBUS, which ends the process; no check beforehand closes that gap. A read
// returns short instead, and becomes ERR_FORMAT. It costs one copy out of the page cache (several GB/s), which packing
// would have paid in page faults, and what is resident is only the scratch block of the parameter being packed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/status.h"

namespace qavit {

class MappedFile {
 public:
  // ERR_ARGUMENT when the path cannot be opened, ERR_FORMAT when it is not a regular file. `path` is UTF-8.
  static Status open(const std::string& path, std::shared_ptr<const MappedFile>* file);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  int64_t size() const { return size_; }  // when it was opened

  // ERR_FORMAT unless [offset, offset + length) lies inside the file.
  Status check_range(int64_t offset, int64_t length) const;

  // check_range, then copies the region to `destination`. ERR_FORMAT also when the file has become shorter since it was
  // opened. From any thread, several at a time.
  Status read(int64_t offset, int64_t length, void* destination) const;

 private:
#ifdef _WIN32
  using Handle = void*;
#else
  using Handle = int;
#endif
  MappedFile(std::string path, Handle handle, int64_t size) : path_(std::move(path)), handle_(handle), size_(size) {}

  // Up to `length` bytes; *count = 0 at the end of the file.
  Status read_some(int64_t offset, int64_t length, void* destination, int64_t* count) const;

  std::string path_;
  Handle handle_;
  int64_t size_;
};

}  // namespace qavit
