// That blocks which are kept come back at their size, the last one first, and that no more are kept than is allowed.
#include "cuda/free_blocks.h"

#include "../emulation/check.h"
#include "tests.h"

namespace qavit::test {

namespace {

using cuda::FreeBlocks;
using Blocks = std::vector<void*>;

char memory[5];
void* block(int i) { return memory + i; }

void sizes() {
  FreeBlocks blocks(100);
  check(blocks.give(block(0), 10).empty() && blocks.give(block(1), 20).empty() && blocks.give(block(2), 10).empty(),
        "blocks within the limit are kept");
  check(blocks.take(15) == nullptr && blocks.take(5) == nullptr, "a block of another size is none");
  check(blocks.take(10) == block(2) && blocks.take(10) == block(0) && blocks.take(10) == nullptr,
        "of equal blocks the one given back last comes first, each once");
  check(blocks.clear() == Blocks{block(1)} && blocks.clear().empty() && blocks.take(20) == nullptr,
        "all that is left is handed out at once");
}

void limits() {
  FreeBlocks blocks(100);
  (void)blocks.give(block(0), 40);
  (void)blocks.give(block(1), 40);
  check(blocks.give(block(2), 20).empty(), "the limit may be reached");
  check(blocks.give(block(3), 30) == Blocks{block(0)}, "beyond it the block that was given back first goes");
  check(blocks.give(block(4), 101) == Blocks{block(4)}, "a block beyond the limit by itself is not kept");
  check(blocks.take(40) == block(1) && blocks.give(block(1), 50).empty(), "what is taken no longer counts");
  (void)blocks.clear();
  check(blocks.give(block(0), 100).empty(), "nor what was handed out");
}

}  // namespace

void test_free_blocks() {
  sizes();
  limits();
}

}  // namespace qavit::test
