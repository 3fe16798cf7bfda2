"""Single operations by the libraries under PyTorch: cuBLASLt's products, and each of its attentions."""

import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from .timing import Clock

CEILING_SIZE = {"cuda": 8192, "cpu": 256}
ATTENTIONS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
}
WARM_SECONDS = 0.2


class Kernels:
    def __init__(self, device: str, dtype: torch.dtype, clock: Clock):
        self.device, self.dtype, self.clock = device, dtype, clock
        self._ceiling: tuple[torch.Tensor, ...] | None = None

    def ceiling(self, count: int) -> list[float]:
        """TFLOP/s of a large square product on random data: what a product can reach on this chip at this moment."""
        size = CEILING_SIZE[self.device]
        if self._ceiling is None:
            self._ceiling = (self._random(size, size), self._random(size, size), self._random(size, size))
        a, b, out = self._ceiling
        self.clock.warm(lambda: torch.mm(a, b, out=out), WARM_SECONDS)
        return [2e-9 * size**3 / self.clock.time(lambda: torch.mm(a, b, out=out))[0] for _ in range(count)]

    def product(self, rows: int, inner: int, out: int, repeats: int, copies: int, count: int) -> list[float]:
        """Milliseconds of x W^T + b, `repeats` in one graph with `copies` weights in turn."""
        x, bias = self._random(rows, inner), self._random(out)
        weights = [self._random(out, inner) for _ in range(copies)]

        def work() -> None:
            for i in range(repeats):
                functional.linear(x, weights[i % copies], bias)

        return self._measure(work, repeats, count)

    def attention(
        self, batch: int, heads: int, queries: int, keys: int, width: int, repeats: int, count: int
    ) -> dict[str, list[float]]:
        """Milliseconds by backend. Queries, keys and values lie as the backends like it best, concatenated already."""
        q = self._random(batch, heads, queries, width)
        k, v = (self._random(batch, heads, keys, width) for _ in range(2))
        found = {}
        for name, backend in ATTENTIONS.items():

            def work() -> None:
                for _ in range(repeats):
                    functional.scaled_dot_product_attention(q, k, v)

            try:
                with sdpa_kernel(backend):
                    found[name] = self._measure(work, repeats, count)
            except RuntimeError:
                continue  # this backend does not take this shape, dtype or device
        return found

    def _measure(self, work, repeats: int, count: int) -> list[float]:
        replay = self.clock.replayable(work)
        self.clock.warm(replay, WARM_SECONDS)
        return [self.clock.time(replay)[0] / repeats for _ in range(count)]

    def _random(self, *shape: int) -> torch.Tensor:
        return torch.randn(*shape, device=self.device, dtype=self.dtype)
