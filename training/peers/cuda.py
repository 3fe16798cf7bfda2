"""PyTorch peer for bench/cuda, run from training/.

python -m peers.cuda make DIR CONFIG PAIRS TOKENS    random weights, pictures and questions
python -m peers.cuda serve DIR TOKENS DTYPE MODE     answers lines of JSON `{"do": ...}`; MODE is torch.compile's

On a machine without a GPU it computes on the CPU, which tries the harness and measures nothing; `standIn` says so.
"""

import sys
import time
from pathlib import Path

import numpy
import torch
import transformers

from .answers import Answers
from .cuda_kernels import Kernels
from .cuda_model import Case, Contestant, Inputs, errors, load, make
from .timing import Clock

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
WARM_SECONDS = 0.5
# Whoever ran before left other things in the caches: as many calls as bench/cuda/own-tower.ts leaves out.
UNCOUNTED = 3


class Server:
    def __init__(self, directory: Path, tokens: int, dtype: str, mode: str):
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.dtype, self.mode = DTYPES[dtype], mode
        self.clock = Clock(self.device)
        self.model = load(directory)
        width, image = self.model.question_width, self.model.config.image_size
        self.inputs = Inputs(directory, image, tokens, width, self.device)
        self.kernels = Kernels(self.device, self.dtype, self.clock)
        self.contestants: dict[str, Contestant] = {}

    def describe(self) -> dict:
        on_gpu = self.device == "cuda"
        return {
            "standIn": not on_gpu,
            "device": torch.cuda.get_device_name() if on_gpu else "CPU",
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }

    def contestant(self, name: str) -> Contestant:
        if name not in self.contestants:
            mode = {"eager": None, "compiled": self.mode, "float64": None}[name]
            dtype = torch.float64 if name == "float64" else self.dtype
            self.contestants[name] = Contestant(self.model, dtype, self.device, mode)
        return self.contestants[name]

    def prepare(self, peer: str, case: dict) -> dict:
        """Compiles where that is asked for, and warms up."""
        start = time.perf_counter()
        for copies in (False, True):
            self.clock.warm(self._work(peer, Case(**case), copies), WARM_SECONDS / 2)
        return {"seconds": time.perf_counter() - start}

    def run(self, peer: str, case: dict, copies: bool, count: int) -> dict:
        work = self._work(peer, Case(**case), copies)
        for _ in range(UNCOUNTED):
            self.clock.warm(work, 0)
        times = [self.clock.time(work) for _ in range(count)]
        return {"gpu": [gpu for gpu, _ in times], "call": [call for _, call in times]}

    def ceiling(self, count: int) -> list[float]:
        return self.kernels.ceiling(count)

    def product(self, **shape: int) -> list[float]:
        return self.kernels.product(**shape)

    def attention(self, **shape: int) -> dict[str, list[float]]:
        return self.kernels.attention(**shape)

    def errors(self, case: dict, file: str, peers: list[str]) -> dict:
        """Of the f32 tokens in `file`, and of the peers', against float64."""
        case, found = Case(**case), {}
        exact = self._tokens("float64", case)
        own = torch.from_numpy(numpy.fromfile(file, numpy.float32)).view(exact.shape)
        found["qavit"] = errors(own.to(self.device), exact)
        for peer in peers:
            found[peer] = errors(self._tokens(peer, case), exact)
        del self.contestants["float64"]  # two gigabytes that nobody needs again
        return found

    def _tokens(self, peer: str, case: Case) -> torch.Tensor:
        return self.contestant(peer).call(case)(*Inputs.of(case, self.inputs.device)).clone()

    def _work(self, peer: str, case: Case, copies: bool):
        contestant = self.contestant(peer)
        if copies:
            return contestant.with_copies(case, self.inputs.host)
        call, inputs = contestant.call(case), Inputs.of(case, self.inputs.device)
        return lambda: call(*inputs)


@torch.no_grad()
def serve(directory: str, tokens: str, dtype: str, mode: str) -> None:
    answers = Answers()
    server = Server(Path(directory), int(tokens), dtype, mode)
    answers.send(server.describe())
    names = ("prepare", "run", "ceiling", "product", "attention", "errors")
    answers.serve({name: getattr(server, name) for name in names})


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make", directory, config, pairs, tokens]:
            make(Path(directory), config, int(pairs), int(tokens))
        case ["serve", directory, tokens, dtype, mode]:
            serve(directory, tokens, dtype, mode)
        case _:
            sys.exit(__doc__)
