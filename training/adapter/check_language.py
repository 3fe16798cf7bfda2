"""`python -m adapter.check_language`: which language models are taken, and ONNX files against transformers' logits."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import onnxruntime
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
    MT5Config,
    MT5ForConditionalGeneration,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
    UMT5Config,
    UMT5ForConditionalGeneration,
)

from . import export_language, train
from .export_language import export
from .models import load_language, load_tokenizer

SIZES = {"vocab_size": 24, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_heads": 2, "num_layers": 1}
GATED = {"feed_forward_proj": "gated-gelu"}
# From before transformers 5, an untied head says that logits are not scaled.
T5S = {
    "t5": T5ForConditionalGeneration(T5Config(**SIZES)),
    "t5-v1.1": T5ForConditionalGeneration(T5Config(**SIZES, **GATED, tie_word_embeddings=False)),
    "mt5": MT5ForConditionalGeneration(MT5Config(**SIZES, **GATED)),
}
OTHERS = {
    "umt5": UMT5ForConditionalGeneration(UMT5Config(**SIZES)),
    "bart": BartForConditionalGeneration(
        BartConfig(vocab_size=24, d_model=32, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=48)
    ),
    "llama": LlamaForCausalLM(
        LlamaConfig(vocab_size=24, hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2)
    ),
}
# Published T5s hold it, and no version of the model has read it.
LEFT_OVER = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"


def write(model: PreTrainedModel, folder: Path) -> Path:
    model.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({f"word{i}": i for i in range(24)}, unk_token="word2"))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="word0", eos_token="word1").save_pretrained(folder)
    return folder


@torch.no_grad()
def check_logits(folder: Path) -> None:
    torch.manual_seed(1)
    rows, ids = torch.randn(2, 5, SIZES["d_model"]), torch.randint(3, 24, (2, 3))
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    for name, model in T5S.items():
        source, target = write(model.eval(), folder / name), folder / f"{name}-onnx"
        export(source, target)
        wanted = model(inputs_embeds=rows, attention_mask=mask, decoder_input_ids=ids).logits
        states = run(target / "encoder_model.onnx", {"inputs_embeds": rows, "attention_mask": mask})
        shape = (2, SIZES["num_heads"], 0, SIZES["d_kv"])
        past = {f"past_key_values.0.{part}.{what}": torch.zeros(shape) for part in SIDES for what in ("key", "value")}
        given = {"encoder_attention_mask": mask, "input_ids": ids, "encoder_hidden_states": states}
        decoder = target / "decoder_model_merged.onnx"
        found = run(decoder, given | past | {"use_cache_branch": torch.tensor([False])})
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


SIDES = ("decoder", "encoder")


def run(file: Path, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {name: value.numpy() for name, value in inputs.items()})[0])


def refused(what: str, call: Callable[[], object]) -> None:
    try:
        call()
    except (ValueError, OSError, SystemExit) as error:
        assert what in str(error), error
    else:
        raise AssertionError(f"Expected a refusal with {what!r}")


def check_refusals(folder: Path) -> None:
    for name, model in OTHERS.items():
        source = write(model, folder / name)
        wanted = f"Expected a language model with model_type t5 or mt5 in {source} but received '{name}'"
        refused(wanted, lambda source=source: export(source, folder / "never"))
        given = {"tower": folder, "language": source, "data": folder, "out": folder / "never"}
        argv = [part for key, value in given.items() for part in (f"--{key}", str(value))]
        refused(wanted, lambda argv=argv: train.main(argv))
    source = folder / "t5"
    argv = ["export_language", "--language", str(source), "--out", str(folder / "never" / ".." / "t5")]
    with mock.patch("sys.argv", argv):
        refused(f"Expected a folder of its own for --out but received {source}", export_language.main)
    weights = load_file(source / "model.safetensors")
    for change, wanted in (
        ({LEFT_OVER: torch.zeros(32, 2)}, None),
        ({"decoder.extra.weight": torch.zeros(2)}, "received decoder.extra.weight too"),
        ({"decoder.final_layer_norm.weight": None}, "decoder.final_layer_norm.weight is missing"),
    ):
        tensors = {name: value for name, value in (weights | change).items() if value is not None}
        save_file(tensors, source / "model.safetensors", metadata={"format": "pt"})
        if wanted is None:
            load_language(source)
        else:
            refused(wanted, lambda: load_language(source))
    assert not (folder / "never").exists()


def check_tokenizer(folder: Path) -> None:
    """Texts are read as tokenizer.json says, with or without a tokenizer_config.json that names transformers' T5."""
    words = ["<pad>", "</s>", "<unk>", "▁", *"whatis", "▁what", "▁is", "▁what▁is"]
    own = Tokenizer(models.Unigram([(word, -0.1 * i) for i, word in enumerate(words)], unk_id=2))
    own.normalizer, own.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Metaspace(split=False)
    own.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    own.add_special_tokens(words[:3])
    source, target = folder / "t5", folder / "t5-words"
    own.save(str(source / "tokenizer.json"))
    wanted = own.encode("WHAT is").ids
    config = source / "tokenizer_config.json"
    for fields in ({"tokenizer_class": "T5Tokenizer", "pad_token": "<pad>", "eos_token": "</s>"}, None):
        config.unlink() if fields is None else config.write_text(json.dumps(fields))
        tokenizer = load_tokenizer(source)
        found = tokenizer(["WHAT is", "what is what is"], padding=True).input_ids
        assert found[0] == wanted + [0] * (len(found[1]) - len(wanted)), (found, wanted)
        assert tokenizer.decode(wanted, skip_special_tokens=True).replace("▁", " ").strip() == "what is"
        export(source, target)
        assert Tokenizer.from_file(str(target / "tokenizer.json")).encode("WHAT is").ids == wanted


def check_configs(folder: Path) -> None:
    """What lib/llm/t5/config.ts takes for granted of the files that transformers writes."""
    written = {name: json.loads((folder / name / "config.json").read_text()) for name in T5S}
    assert [written[name].get("scale_decoder_outputs") for name in T5S] == [True, False, None]
    assert written["mt5"]["tie_word_embeddings"] is True


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        check_logits(Path(name))
        check_configs(Path(name))
        check_tokenizer(Path(name))
        check_refusals(Path(name))
    print("language models: all checks passed")


if __name__ == "__main__":
    main()
