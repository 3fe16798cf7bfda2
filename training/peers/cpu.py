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
    # Imported by need: what a command does not use shall not count as its start-up time, nor have to be installed.
    match sys.argv[1:]:
        case ["make", directory, name]:
            from .cpu_make import make

            make(Path(directory), name)
        case ["onnx", directory]:
            from .cpu_onnx import export

            export(Path(directory))
        case ["picture", file, width, height]:
            from .picture import write

            write(Path(file), int(width), int(height))
        case ["serve", work]:
            from .cpu_serve import serve

            serve(work)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
