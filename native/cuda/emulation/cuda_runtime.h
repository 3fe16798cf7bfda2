// What device code finds under the toolkit's names when the portable kernels run on the CPU: qualifiers, vector types,
// bf16 and half, intrinsics, and the launch. Tests without a GPU are built on it; it is in no addon that is shipped.
//
// What runs where: a launch takes blocks in shuffled order, on one or several OS threads (grid.cpp); a block's threads
// are fibers (fiber.h) which run, one at a time, from one barrier or warp-wide instruction to the next, in an order
// shuffled anew for every block (block.h). So a kernel in which threads wait for each other too little gives wrong
// results under some seed, and one in which they wait wrongly ends in cudaErrorLaunchFailure with a text that says who
// waits where (fault.h), never in a hang. The exception: a thread that polls memory, and so never reaches a barrier,
// polls for ever.
//
// Made strict on purpose, where a GPU often forgives:
//   - shared memory is filled with NaNs before each block, device memory when it is allocated;
//   - the target of a cp.async is NaNs from its start to the thread's own wait, so neither a missing wait nor a tile
//     overwritten while others still read it goes unseen;
//   - ldmatrix and Pack check alignment, ldmatrix and cp.async that they got shared memory;
//   - a barrier that some threads reach at another line, or not at all, is an error.
// Not seen: bank conflicts, coalescing, speed, memory models between blocks. Tensor cores round sums their own way;
// here they are plain f32 sums.
//
// QAVIT_EMULATION (host_api.h) also takes
//   seed=N     orders of blocks and threads (1)
//   threads=N  OS threads that run blocks (2)
#pragma once

#include "cuda/emulation/fault.h"
#include "cuda/emulation/grid.h"
#include "cuda/emulation/intrinsics.h"
#include "cuda/emulation/narrow_floats.h"
#include "cuda/emulation/qualifiers.h"
#include "cuda/emulation/vector_types.h"
#include "cuda/emulation/warp.h"
