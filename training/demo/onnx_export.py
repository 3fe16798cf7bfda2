"""Writes the language model as ONNX graphs with Optimum's file, input and output names.

The decoder is one file with an `If`: without caches it computes the encoder's keys and values, with caches it reuses
them. Both branches read the weights from the outer graph, so they are stored once.
"""

from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper
from torch import nn
from torch.export import Dim
from transformers import T5ForConditionalGeneration

from .t5 import CachedDecoder, Encoder

OPSET = 18
SLOTS = ("decoder.key", "decoder.value", "encoder.key", "encoder.value")


class Embedding(nn.Module):
    def __init__(self, language: T5ForConditionalGeneration):
        super().__init__()
        self.table = language.shared

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return self.table(input_ids)


class FirstStep(CachedDecoder):
    def forward(self, encoder_attention_mask, input_ids, encoder_hidden_states):
        logits, present = super().forward(input_ids, encoder_hidden_states, encoder_attention_mask, None)
        return logits, *present


class NextStep(CachedDecoder):
    def forward(self, encoder_attention_mask, input_ids, past):
        logits, present = super().forward(input_ids, past[2], encoder_attention_mask, list(past))
        return logits, *present


def export_language(language: T5ForConditionalGeneration, folder: Path) -> None:
    language = language.float().cpu().eval()
    config, batch, length = language.config, Dim("batch"), Dim("length")
    rows = torch.zeros(2, 7, config.d_model)
    mask, ids = torch.ones(2, 7, dtype=torch.long), torch.zeros(2, 3, dtype=torch.long)
    axes = {0: batch, 1: length}
    embed = _export(Embedding(language), (ids,), ["input_ids"], ["inputs_embeds"], (axes,))
    names = ["inputs_embeds", "attention_mask"]
    encoder = _export(Encoder(language), (rows, mask), names, ["last_hidden_state"], (axes, axes))
    onnx.save(embed, folder / "embed_tokens.onnx")
    onnx.save(encoder, folder / "encoder_model.onnx")
    onnx.save(_merged_decoder(language), folder / "decoder_model_merged.onnx")


def _export(module: nn.Module, inputs: tuple, names: list[str], outputs: list[str], shapes: tuple) -> onnx.ModelProto:
    """Exports, without the exporter's notes: they hold stack traces of the machine it ran on."""
    program = torch.onnx.export(
        module.eval(),
        inputs,
        input_names=names,
        output_names=outputs,
        dynamic_shapes=shapes,
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    model = program.model_proto
    graph = model.graph
    for noted in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        noted.ClearField("metadata_props")
        noted.ClearField("doc_string")
    graph.ClearField("value_info")
    return model


def _cache_names(prefix: str, layers: int) -> list[str]:
    return [f"{prefix}.{i}.{slot}" for i in range(layers) for slot in SLOTS]


def _merged_decoder(language: T5ForConditionalGeneration) -> onnx.ModelProto:
    config = language.config
    layers, heads, width = config.num_decoder_layers, config.num_heads, config.d_kv
    batch, length, seen, far = Dim("batch"), Dim("length"), Dim("seen"), Dim("far")
    rows, mask = torch.zeros(2, 7, config.d_model), torch.ones(2, 7, dtype=torch.long)
    outputs = ["logits", *_cache_names("present", layers)]
    first = _export(
        FirstStep(language),
        (mask, torch.zeros(2, 3, dtype=torch.long), rows),
        ["encoder_attention_mask", "input_ids", "encoder_hidden_states"],
        outputs,
        ({0: batch, 1: far}, {0: batch, 1: length}, {0: batch, 1: far}),
    )
    past = tuple(torch.zeros(2, heads, 5 if k % 4 < 2 else 7, width) for k in range(4 * layers))
    past_axes = tuple({0: batch, 2: seen if k % 4 < 2 else far} for k in range(4 * layers))
    following = _export(
        NextStep(language),
        (mask, torch.zeros(2, 1, dtype=torch.long), past),
        ["encoder_attention_mask", "input_ids", *_cache_names("past_key_values", layers)],
        outputs,
        ({0: batch, 1: far}, {0: batch}, past_axes),
    )
    return _merge(first, following, config)


def _merge(first: onnx.ModelProto, following: onnx.ModelProto, config) -> onnx.ModelProto:
    """One graph: `use_cache_branch` chooses between the two; weights that both hold are stored once, outside."""
    layers, heads, width = config.num_decoder_layers, config.num_heads, config.d_kv
    weights: dict[bytes, onnx.TensorProto] = {}
    without, within = (_branch(prefix, m.graph, weights) for prefix, m in (("first", first), ("next", following)))
    outputs = ["logits", *_cache_names("present", layers)]
    choice = helper.make_node("If", ["use_cache_branch"], outputs, then_branch=within, else_branch=without)
    cache_shape = ["batch", heads, "seen", width]
    inputs = [
        helper.make_tensor_value_info("encoder_attention_mask", TensorProto.INT64, ["batch", "far"]),
        helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"]),
        helper.make_tensor_value_info("encoder_hidden_states", TensorProto.FLOAT, ["batch", "far", config.d_model]),
        *(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [*cache_shape[:2], _axis(name, "past"), width])
            for name in _cache_names("past_key_values", layers)
        ),
        helper.make_tensor_value_info("use_cache_branch", TensorProto.BOOL, [1]),
    ]
    results = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "length", config.vocab_size]),
        *(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [*cache_shape[:2], _axis(name, "present"), width])
            for name in outputs[1:]
        ),
    ]
    graph = helper.make_graph([choice], "decoder_model_merged", inputs, results, list(weights.values()))
    model = helper.make_model(graph, opset_imports=first.opset_import, ir_version=first.ir_version)
    onnx.checker.check_model(model, full_check=True)
    return model


def _axis(name: str, when: str) -> str:
    """The dynamic axis of a cache: what was said so far, or what the encoder read."""
    return f"{when}_far" if ".encoder." in name else f"{when}_seen"


def _branch(prefix: str, graph: onnx.GraphProto, weights: dict[bytes, onnx.TensorProto]) -> onnx.GraphProto:
    """A graph as the body of an `If`: no inputs of its own, inner names made unique, weights moved out.

    `weights` is keyed by content, because the exporter names a transposed weight differently in each branch.
    """
    renamed = {i.name: i.name for i in graph.input}
    for weight in graph.initializer:
        content = onnx.TensorProto()
        content.CopyFrom(weight)
        content.ClearField("name")
        shared = weights.setdefault(content.SerializeToString(), content)
        shared.name = shared.name or f"{prefix}.{weight.name}"
        renamed[weight.name] = shared.name
    body = helper.make_graph([], f"{prefix}_step", [], [])
    for node in graph.node:
        copy = body.node.add()
        copy.CopyFrom(node)
        copy.name = f"{prefix}.{node.name}"
        copy.input[:] = [renamed.get(name, f"{prefix}.{name}") if name else "" for name in node.input]
        copy.output[:] = [f"{prefix}.{name}" if name else "" for name in node.output]
    for result in graph.output:
        copy = body.output.add()
        copy.CopyFrom(result)
        copy.name = f"{prefix}.{result.name}"
    return body
