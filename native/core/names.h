// What the values of an enumeration are called, in JavaScript and in messages: one table beside the enumeration, read
// both ways.
#pragma once

#include <functional>
#include <span>
#include <string>

namespace qavit {

template <typename T>
struct Named {
  T value;
  const char* name;
};

// "" for what has none.
template <typename T, size_t n>
constexpr const char* name_of(const Named<T> (&names)[n], T value) {
  for (const Named<T>& each : names) {
    if (each.value == value) return each.name;
  }
  return "";
}

// "f32, bf16, int8": what `name` says of each.
template <typename Range, typename Name = std::identity>
std::string listed(const Range& range, Name name = {}) {
  std::string list;
  for (const auto& each : range) list += (list.empty() ? "" : ", ") + std::string(std::invoke(name, each));
  return list;
}

}  // namespace qavit
