"""The peers' side of bench/support/resident.ts: a line of JSON `{"do": name, ...}` in, a line of JSON out."""

import json
import os
import sys
from collections.abc import Callable


class Answers:
    """Takes standard output for answers alone: what libraries and compilers print there goes to standard error."""

    def __init__(self):
        self._out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def send(self, answer: object) -> None:
        print(json.dumps(answer), file=self._out, flush=True)

    def serve(self, actions: dict[str, Callable]) -> None:
        """Until standard input ends."""
        for line in sys.stdin:
            request = json.loads(line)
            try:
                answer = {"ok": actions[request.pop("do")](**request)}
            except Exception as error:  # out of memory, a shape that does not compile: that case is lost, not the run
                answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
            self.send(answer)
