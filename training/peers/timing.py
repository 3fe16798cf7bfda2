"""Times of work on a GPU by its own clock and by the host's; on the CPU both are the host's."""

import time
from collections.abc import Callable

import torch

# Graph captures ask for calls that came before them, in a stream of their own.
CALLS_BEFORE_CAPTURE = 3

# Cycles that the GPU is kept busy with while the host enqueues what is measured: some 10 ms, longer than an eager tower
# takes to be enqueued. Without it the GPU's clock would count the host's time before the first kernel.
BUSY_CYCLES = 20_000_000


class Clock:
    def __init__(self, device: str):
        self.on_gpu = device == "cuda"

    def synchronize(self) -> None:
        if self.on_gpu:
            torch.cuda.synchronize()

    def time(self, work: Callable[[], object]) -> tuple[float, float]:
        """Milliseconds of a call by the device's clock, everything enqueued; of another until its results are there."""
        self.synchronize()
        if not self.on_gpu:
            start = time.perf_counter()
            work()
            milliseconds = (time.perf_counter() - start) * 1e3
            return milliseconds, milliseconds
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        called = (time.perf_counter() - start) * 1e3
        started, stopped = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda._sleep(BUSY_CYCLES)
        started.record()
        work()
        stopped.record()
        stopped.synchronize()
        return started.elapsed_time(stopped), called

    def warm(self, work: Callable[[], object], seconds: float) -> None:
        """At least one call, and calls until `seconds` have passed: clocks, caches and lazy loading settle."""
        end = time.perf_counter() + seconds
        while True:
            work()
            self.synchronize()
            if time.perf_counter() >= end:
                return

    def replayable(self, work: Callable[[], object]) -> Callable[[], object]:
        """`work` as a CUDA graph, so that launching costs nothing; as it is on the CPU."""
        if not self.on_gpu:
            return work
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(CALLS_BEFORE_CAPTURE):
                work()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
        return graph.replay
