"""The tower as ONNX, for onnxruntime-node and transformers.js, in the folders and names that the latter looks for."""

import shutil
import warnings
from pathlib import Path

import numpy
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

from .cpu_models import Plain, load_tower
from .inputs import PIXELS

# 18 and 23 (whose attention is one operator) run equally fast in ONNX Runtime 1.30.
OPSET = 18


@torch.no_grad()
def export(directory: Path) -> None:
    tower = load_tower(directory)
    folder, edge = directory / "exported", tower.config.image_size
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    shutil.copy(directory / "tower" / "config.json", folder)
    pixels = torch.from_numpy(numpy.fromfile(directory / PIXELS, numpy.uint8)).view(-1, edge, edge, 3)[:2]
    file = folder / "onnx" / "vision_model.onnx"
    warnings.filterwarnings("ignore")
    torch.onnx.export(
        Plain(tower).eval(),
        (pixels,),
        file,
        dynamo=True,
        opset_version=OPSET,
        input_names=["pixel_values"],
        output_names=["last_hidden_state"],
        dynamic_shapes=({0: torch.export.Dim("B", min=1, max=64)},),
        # One file: what transformers.js reads without being told of more. All towers stay below protobuf's 2 GB.
        external_data=False,
        verbose=False,
    )
    # Signed weights run twice as fast as unsigned ones; a scale for each channel costs a tenth and is not the default;
    # the convolution (0.3 % of the work) has no fast integer kernel.
    # Last, and under its name only when it is whole: whoever finds it exports nothing (bench/run/models.ts).
    unfinished = folder / "onnx" / "unfinished.onnx"
    quantize_dynamic(file, unfinished, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"])
    unfinished.replace(folder / "onnx" / "vision_model_quantized.onnx")
