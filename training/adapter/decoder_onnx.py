"""Decoder-only language models (Llama, Qwen2 and their like) as ONNX graphs that qavit reads: rows in, logits out."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from torch import nn
from torch.export import Dim
from transformers import PreTrainedModel

from .steps import DecoderStep, PlacedStep
from .two_way import PictureStep, PrefixStep

OPSET = 18
# A protobuf message cannot be larger than 2 GiB.
INSIDE = 2**30
# Weights that share a scale in 4 bits.
BLOCK = 32

# Of models whose decoders are told more than which row is the how manieth, or see more than what is before.
STEPS = {"paligemma": PrefixStep, "gemma3": PictureStep, "qwen2_vl": PlacedStep}


def export_decoder_only(language: PreTrainedModel, folder: Path, bits: int | None = None) -> None:
    """embed_tokens.onnx and decoder_model_merged.onnx; with `bits` 4 also decoder_model_merged_q4.onnx.

    Weights of more than INSIDE bytes lie in a file of their own, NAME.onnx_data.
    """
    config = language.config.get_text_config()
    ids = torch.zeros(2, 3, dtype=torch.long)
    table = language.get_input_embeddings()
    any_ids = ({0: Dim.AUTO, 1: Dim.AUTO},)
    _save(_export(table, (ids,), any_ids, ["input_ids"], ["inputs_embeds"]), folder / "embed_tokens.onnx")
    head_width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    # 5 cached rows and 3 new ones stand for any number of each; 0 and 1 would be taken for constants.
    past = tuple(torch.zeros(2, config.num_key_value_heads, 5, head_width) for _ in range(2 * config.num_hidden_layers))
    step = STEPS.get(language.config.model_type, DecoderStep)(language)
    # Each its own: of one tensor for several inputs the exporter makes one input.
    extra = [ids.clone() for _ in step.extra_inputs]
    places = ids if step.places == 1 else ids.expand(step.places, -1, -1).clone()
    inputs = (torch.zeros(2, 3, config.hidden_size), torch.ones(2, 8, dtype=torch.long), places, *extra, past)
    axes = {0: Dim.AUTO, 1: Dim.AUTO}
    of_places = axes if step.places == 1 else {1: Dim.AUTO, 2: Dim.AUTO}
    names = [f"{i}.{slot}" for i in range(config.num_hidden_layers) for slot in ("key", "value")]
    rows = ["inputs_embeds", "attention_mask", "position_ids", *step.extra_inputs]
    with _steady_frequencies(language):
        decoder = _export(
            step,
            inputs,
            (
                *(of_places if name == "position_ids" else axes for name in rows),
                tuple({0: Dim.AUTO, 2: Dim.AUTO} for _ in past),
            ),
            [*rows, *(f"past_key_values.{name}" for name in names)],
            ["logits", *(f"present.{name}" for name in names)],
        )
    _save(decoder, folder / "decoder_model_merged.onnx")
    if bits is not None:
        whole = onnx.load(folder / "decoder_model_merged.onnx")  # saving has left only references
        quantizer = MatMulNBitsQuantizer(whole, bits=bits, block_size=BLOCK, is_symmetric=True, accuracy_level=4)
        quantizer.process()
        _save(quantizer.model.model, folder / f"decoder_model_merged_q{bits}.onnx")


@contextmanager
def _steady_frequencies(language: PreTrainedModel) -> Iterator[None]:
    """Dynamic rotary embeddings, as in InternVL, are others beyond max_position_embeddings, which qavit never reads.

    Whether a text is as long is a question of its positions, which no graph can be asked.
    """
    dynamic = [module for module in language.modules() if getattr(module, "rope_type", None) == "dynamic"]
    for module in dynamic:
        module.rope_type = "default"
    try:
        yield
    finally:
        for module in dynamic:
            module.rope_type = "dynamic"


def _save(model: onnx.ModelProto, file: Path) -> None:
    data = file.with_name(f"{file.name}_data")
    for part in (file, data):
        part.unlink(missing_ok=True)  # weights would be appended
    if sum(len(weight.raw_data) for weight in model.graph.initializer) < INSIDE:
        return onnx.save(model, file)
    # Weights alone: shapes and other small constants are looked at while a graph is opened.
    settings = {"save_as_external_data": True, "location": data.name, "size_threshold": 1024}
    onnx.save(model, file, **settings)
    data.chmod(file.stat().st_mode)  # onnx makes it for its owner alone


def _export(module: nn.Module, inputs: tuple, axes: tuple, names: list[str], outputs: list[str]) -> onnx.ModelProto:
    """Exports, without the exporter's notes: they hold stack traces of the machine it ran on."""
    program = torch.onnx.export(
        module.eval(),
        inputs,
        input_names=names,
        output_names=outputs,
        dynamic_shapes=axes,
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    model = program.model_proto
    graph = model.graph
    for noted in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        noted.ClearField("metadata_props")
        noted.ClearField("doc_string")
    graph.ClearField("value_info")
    return model
