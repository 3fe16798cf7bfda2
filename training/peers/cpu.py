"""PyTorch, Pillow and ONNX for bench/, run from training/.

python -m peers.cpu make DIR TOWER         a random tower and adapter, pictures and questions, and what PyTorch makes of
                                           the first of them in f32
python -m peers.cpu onnx DIR               that tower as ONNX, f32 and dynamically quantised, in transformers.js' layout
python -m peers.cpu picture FILE W H       a JPEG to preprocess
python -m peers.cpu serve WORK             does the work (JSON, bench/contestants/spec.ts) once, says so in a line of
                                           JSON, and answers further lines
"""

import sys
from pathlib import Path


def main() -> None:
    command, *arguments = sys.argv[1:]
    # Imported by need: what a command does not use shall not count as its start-up time, nor have to be installed.
    if command == "make":
        from .cpu_make import make

        make(Path(arguments[0]), arguments[1])
    elif command == "onnx":
        from .cpu_onnx import export

        export(Path(arguments[0]))
    elif command == "picture":
        from .picture import write

        write(Path(arguments[0]), int(arguments[1]), int(arguments[2]))
    elif command == "serve":
        from .cpu_serve import serve

        serve(arguments[0])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
