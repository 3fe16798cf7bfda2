"""`python -m adapter.export_language --language DIR --out DIR`: a T5 or mT5 as ONNX files that qavit reads."""

import argparse
import shutil
import sys
from pathlib import Path

from transformers import AutoTokenizer, logging

from demo.onnx_export import export_language

from .models import load_language

# A protobuf message cannot be larger, and the encoder and the decoder are one each.
LIMIT = 2**31


def export(source: Path, target: Path) -> None:
    language = load_language(source)
    size = 4 * max(sum(p.numel() for p in half.parameters()) for half in (language.encoder, language.decoder))
    if size >= LIMIT:
        raise ValueError(f"Expected halves below 2 GiB in float32 in {source} but received {size / 2**30:.1f} GiB")
    target.mkdir(parents=True, exist_ok=True)
    export_language(language, target)
    for name in ("config.json", "generation_config.json"):
        if (source / name).is_file():
            shutil.copy(source / name, target / name)
    AutoTokenizer.from_pretrained(source).save_pretrained(target)


def main() -> None:
    logging.set_verbosity_error()  # what matters of its reports is checked in models.py
    parser = argparse.ArgumentParser(prog="python -m adapter.export_language", description=__doc__)
    parser.add_argument("--language", type=Path, required=True, help="Hugging Face folder of a T5 or mT5")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    options = parser.parse_args()
    try:
        export(options.language, options.out)
    except (ValueError, OSError) as error:
        sys.exit(f"adapter.export_language: {error}")


if __name__ == "__main__":
    main()
