// What an emulated kernel did wrong.
#pragma once

namespace qavit::cuda::emulation {

// A place in a kernel's source.
struct Site {
  const char* file;
  int line;
};

// Ends the launch, from inside a kernel: it answers cudaErrorLaunchFailure. Does not return to the kernel. `what` is
// kept as a pointer, because nothing on the kernel's stack is destroyed any more.
[[noreturn]] void fault(const char* what);

// What the last launch that failed did wrong, "" while none has: the text of cudaErrorLaunchFailure. Never freed.
const char* last_fault();

}  // namespace qavit::cuda::emulation
