// A model of one Hopper block on the CPU, for kernels that the emulation (native/cuda/emulation) does not run: threads
// that wait at mbarriers, the tensor copy engine, and wgmma, which reads operands in shared memory by descriptor. The
// headers in headers/ take the place of native/cuda's of the same names, so that a kernel's own text is executed.
//
// Threads are fibers that run one at a time from wait to wait, in an order that a seed decides: at random, or one
// warp as far ahead as it gets. What is asynchronous on the chip happens here at a time that the seed decides too,
// anywhere between the instruction and the wait that covers it: tensor copies, stores, products. Where a copy is going
// to write there are NaNs until it has. So a kernel that reads too early, writes too early, counts bytes or arrivals
// wrongly, or waits for what never comes gives NaNs, wrong numbers, or ends with a message.
//
// A wgmma is four products, one a warp, each at its own time: the manual promises a wait's completion to the threads
// that wait. In some orders it begins only when all four warps have issued it, in others a warp is on its own.
//
// Not modelled: the proxies of ordinary writes (those are seen at once; cp.async's need the fence), wgmma's hold on
// registers (A's are read at once, and wgmma.fence does nothing), registers that change hands, and blocks side by side:
// they run one after another.
// The swizzle, the layouts behind descriptors and the fragments are written down here once more, from the PTX ISA.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>

#include "cuda.h"
#include "cuda/emulation/vector_types.h"

namespace qavit::cuda::emulation {

struct ThreadPosition {
  uint3 thread, block;
};
const ThreadPosition& position();

// Ends the program: the kernel is wrong.
[[noreturn]] void fault(const char* what);

// Runs others until ready() says yes.
void wait_until(const std::function<bool()>& ready);

void block_barrier();
void named_barrier(int barrier, int threads);
// What the lanes of the warp gave, after all have.
const uint64_t* exchange(uint64_t value);

unsigned char* dynamic_shared();

// By every thread, before it copies anything but weights and before it ends (device/dependent_launch.cuh).
void wait_for_earlier_kernels();
void check_waited();

// cp.async of a thread, in the states that it goes through: started, committed, waited for, and after the fence of its
// thread, where wgmma sees it.
void start_copy(void* shared, const void* global, bool valid);
void commit_copies();
void wait_copies();
void publish_copies();

// The tensor copy engine. A load tells `landed` its bytes when it is complete.
void start_load(void* shared, const CUtensorMap& map, std::initializer_list<int> coordinates,
                std::function<void(uint32_t)> landed);
void start_store(const CUtensorMap& map, const void* shared, std::initializer_list<int> coordinates);
void finish_stores();
// A box that is asked for and not waited for: held to the rules for boxes.
void check_box(const CUtensorMap& map, std::initializer_list<int> coordinates);

// One wgmma of a thread: d [blocks][4] of its own, A by descriptor or in registers (a_registers not null).
struct Product {
  float* d;
  int blocks;
  uint64_t a;
  const uint32_t* a_registers;
  uint64_t b;
  bool b_is_mn_major;
  bool accumulate;
  bool is_bf16;
};
void issue_product(const Product& product);
void commit_products();
void wait_products(int groups);

// Sets the order of everything from here on.
void set_seed(uint64_t seed);
void run_grid(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& kernel);

}  // namespace qavit::cuda::emulation
