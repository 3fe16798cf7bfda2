"""One contestant of bench/: a process that does one piece of work as often as it is told."""

import importlib.metadata
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy

from .answers import Answers


class Contestant:
    def __init__(self, work: Callable[[], object]):
        self.work, self.last = work, None

    def run(self, count: int) -> dict:
        ms, cpu_ms = [], []
        for _ in range(count):
            start, cpu = time.perf_counter(), time.process_time()
            self.last = self.work()
            ms.append((time.perf_counter() - start) * 1e3)
            cpu_ms.append((time.process_time() - cpu) * 1e3)
        return {"ms": ms, "cpuMs": cpu_ms, "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}

    def result(self, file: str) -> dict:
        """Of the last run."""
        result = numpy.asarray(self.last, dtype=numpy.float32)
        result.tofile(file)
        return {"shape": list(result.shape)}


def serve(text: str) -> None:
    answers = Answers()
    fields = json.loads(text)
    try:
        if fields["peer"] == "pillow":
            from .picture import preprocess

            work, packages = preprocess(Path(fields["file"]), fields["edge"]), ("pillow", "transformers")
        else:
            from .cpu_models import Work, prepare

            work, packages = prepare(Work.of(text)), ("torch", "transformers")
        contestant = Contestant(work)
        contestant.run(1)
    except Exception as error:  # a package that is missing or too old: the others go on without this one
        return answers.send({"error": f"{type(error).__name__}: {error}".splitlines()[0]})
    versions = {name: importlib.metadata.version(name) for name in packages}
    if fields["peer"].endswith("-compiled"):
        versions["torch.compile"] = fields["compile"]
    answers.send({"ok": {"versions": versions}})
    answers.serve({"run": contestant.run, "result": contestant.result})
