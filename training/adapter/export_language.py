"""`python -m adapter.export_language --language DIR --out DIR`: a T5 or mT5 as ONNX files that qavit reads.

With --model DIR instead of --language: the language half of a vision-language model (families.py). `--out
DIR/onnx` makes its folder whole; any other folder is a language model by itself.
"""

import argparse
import shutil
import sys
from logging import INFO, disable
from pathlib import Path

from transformers import logging

from demo.onnx_export import export_language

from .decoder_onnx import export_decoder_only
from .llava import describe
from .models import load_language, load_tokenizer

# A protobuf message cannot be larger, and the encoder and the decoder are one each.
LIMIT = 2**31

# What a language folder holds besides graphs.
RULES = ("config.json", "generation_config.json")
WORDS = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
TEMPLATES = ("chat_template.jinja", "chat_template.json", "processor_config.json")


def export(source: Path, target: Path) -> None:
    language = load_language(source)
    size = 4 * max(sum(p.numel() for p in half.parameters()) for half in (language.encoder, language.decoder))
    if size >= LIMIT:
        raise ValueError(f"Expected halves below 2 GiB in float32 in {source} but received {size / 2**30:.1f} GiB")
    target.mkdir(parents=True, exist_ok=True)
    export_language(language, target)
    copy(source, target, RULES)
    load_tokenizer(source).save_pretrained(target)


def export_llava(source: Path, target: Path, bits: int | None) -> None:
    family, *_ = describe(source)
    llava = family.load(source)
    target.mkdir(parents=True, exist_ok=True)
    export_decoder_only(llava, target, bits)
    if target.resolve() != (source / "onnx").resolve():
        copy(source, target, (*RULES, *WORDS, *TEMPLATES))


def copy(source: Path, target: Path, names: tuple[str, ...]) -> None:
    for name in names:
        if (source / name).is_file():
            shutil.copy(source / name, target / name)


def main() -> None:
    logging.set_verbosity_error()  # what matters of its reports is checked in models.py
    disable(INFO)  # the quantizer tells of every node
    parser = argparse.ArgumentParser(
        prog="python -m adapter.export_language",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--language", type=Path, help="Hugging Face folder of a T5 or mT5")
    which.add_argument("--model", type=Path, help="Hugging Face folder of a vision-language model")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--bits", type=int, choices=(4,), help="also the decoder with so many bits a weight (a LLaVA's)"
    )
    options = parser.parse_args()
    try:
        source = options.language or options.model
        if options.out.resolve() == source.resolve():
            raise ValueError(f"Expected a folder of its own for --out but received {source}, which is read")
        if options.model is None:
            if options.bits is not None:
                raise ValueError("Expected --bits beside --model alone")
            export(options.language, options.out)
        else:
            export_llava(options.model, options.out, options.bits)
    except (ValueError, OSError) as error:
        sys.exit(f"adapter.export_language: {error}")


if __name__ == "__main__":
    main()
