#include "core/mapped_file.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

#ifdef _WIN32
#include <windows.h>

#include <filesystem>
#else
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace qavit {

namespace {

// Below the limits of every system's read call.
constexpr int64_t kMaxRead = int64_t{1} << 30;

std::string quoted(const std::string& path) { return "\"" + path + "\""; }

Status cannot_open(const std::string& path, const std::string& why) {
  return expected(ErrorCode::kArgument, "a file that can be opened", quoted(path), why);
}

Status not_a_file(const std::string& path, const char* what) {
  return expected(ErrorCode::kFormat, "a file", quoted(path), what);
}

}  // namespace

#ifdef _WIN32

Status MappedFile::open(const std::string& path, std::shared_ptr<const MappedFile>* file) {
  const std::filesystem::path native(reinterpret_cast<const char8_t*>(path.c_str()));
  std::error_code error;
  if (std::filesystem::is_directory(native, error)) return not_a_file(path, "a directory");
  HANDLE handle = CreateFileW(native.c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                              nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (handle == INVALID_HANDLE_VALUE) {
    return cannot_open(path, std::system_category().message(static_cast<int>(GetLastError())));
  }
  LARGE_INTEGER size;
  if (GetFileType(handle) != FILE_TYPE_DISK || !GetFileSizeEx(handle, &size)) {
    CloseHandle(handle);
    return not_a_file(path, "a device or pipe");
  }
  file->reset(new MappedFile(path, handle, size.QuadPart));
  return Status();
}

MappedFile::~MappedFile() { CloseHandle(handle_); }

Status MappedFile::read_some(int64_t offset, int64_t length, void* destination, int64_t* count) const {
  OVERLAPPED at = {};
  at.Offset = static_cast<DWORD>(offset & 0xffffffff);
  at.OffsetHigh = static_cast<DWORD>(offset >> 32);
  DWORD got = 0;
  if (!ReadFile(handle_, destination, static_cast<DWORD>(length), &got, &at) && GetLastError() != ERROR_HANDLE_EOF) {
    return expected(ErrorCode::kFormat, "a readable file", quoted(path_),
                    std::system_category().message(static_cast<int>(GetLastError())));
  }
  *count = got;
  return Status();
}

#else

Status MappedFile::open(const std::string& path, std::shared_ptr<const MappedFile>* file) {
  // O_NONBLOCK: opening a FIFO that nobody writes to must not wait.
  const int handle = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (handle < 0) return cannot_open(path, std::generic_category().message(errno));
  struct stat about = {};
  if (fstat(handle, &about) != 0 || !S_ISREG(about.st_mode)) {
    const bool directory = S_ISDIR(about.st_mode);
    close(handle);
    return not_a_file(path, directory ? "a directory" : "a device or pipe");
  }
  file->reset(new MappedFile(path, handle, about.st_size));
  return Status();
}

MappedFile::~MappedFile() { close(handle_); }

Status MappedFile::read_some(int64_t offset, int64_t length, void* destination, int64_t* count) const {
  ssize_t got;
  do {
    got = pread(handle_, destination, static_cast<size_t>(length), static_cast<off_t>(offset));
  } while (got < 0 && errno == EINTR);
  if (got < 0)
    return expected(ErrorCode::kFormat, "a readable file", quoted(path_), std::generic_category().message(errno));
  *count = got;
  return Status();
}

#endif

Status MappedFile::check_range(int64_t offset, int64_t length) const {
  if (offset < 0 || length < 0 || offset > size_ || length > size_ - offset) {
    return expected(ErrorCode::kFormat, "a region inside its " + std::to_string(size_) + " bytes", quoted(path_),
                    std::to_string(length) + " bytes from " + std::to_string(offset));
  }
  return Status();
}

Status MappedFile::read(int64_t offset, int64_t length, void* destination) const {
  QAVIT_RETURN_IF_ERROR(check_range(offset, length));
  for (int64_t done = 0; done < length;) {
    int64_t count = 0;
    QAVIT_RETURN_IF_ERROR(
        read_some(offset + done, std::min(length - done, kMaxRead), static_cast<char*>(destination) + done, &count));
    if (count == 0) {
      return expected(ErrorCode::kFormat, std::to_string(size_) + " bytes", quoted(path_),
                      std::to_string(offset + done) + ": it was truncated after it was opened");
    }
    done += count;
  }
  return Status();
}

}  // namespace qavit
