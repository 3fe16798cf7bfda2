// Context: what the drivers of one CPU device share: its kernels, its threads and their scratch memory. Belongs to the
// queue thread.
#pragma once

#include <string>
#include <vector>

#include "cpu/kernels.h"
#include "cpu/memory.h"
#include "cpu/thread_pool.h"

namespace qavit::cpu {

// Which heads' keys and values a thread's scratch holds during an attention operation; see attention_tasks.cpp.
struct PackedHeads {
  int64_t picture = -1;
  int64_t picture_count = -1;
  int64_t question = -1;
  int64_t question_count = -1;
};

struct Context {
  Context(const KernelTable& table, int threads)
      : kernels(table), pool(threads), scratch(static_cast<size_t>(threads)), packed_heads(scratch.size()) {}

  // Makes every thread's scratch at least `bytes` large. Called before a parallel_for, so that tasks cannot run out of
  // memory.
  Status reserve_scratch(size_t bytes, const std::string& where) {
    for (AlignedMemory& memory : scratch) QAVIT_RETURN_IF_ERROR(memory.reserve(bytes, where));
    return Status();
  }

  // Held by all threads together.
  size_t scratch_bytes() const {
    size_t bytes = tiles.bytes();
    for (const AlignedMemory& memory : scratch) bytes += memory.bytes();
    return bytes;
  }

  const KernelTable& kernels;
  ThreadPool pool;
  std::vector<AlignedMemory> scratch;     // by thread
  std::vector<PackedHeads> packed_heads;  // by thread
  AlignedMemory tiles;                    // the packed row operand of the matrix product under way
};

}  // namespace qavit::cpu
