"""PyTorch peer for bench/towers.ts.

make DIR NAME    writes a random CLIP vision tower of a named size as a Hugging Face folder
serve DIR DTYPE  loads it (eager, SDPA attention), then answers each line `run N` on stdin with one line of JSON: the
                 milliseconds of N forward passes
"""

import json
import resource
import sys
import time

import torch
from transformers import CLIPVisionConfig, CLIPVisionModel

SIZES = {
    "vit-b-32": dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, patch_size=32, image_size=224),
    "vit-b-16": dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, patch_size=16, image_size=224),
    "vit-l-14": dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, patch_size=14, image_size=224),
    "vit-l-14-336": dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, patch_size=14, image_size=336),
}


def make(directory: str, name: str) -> None:
    torch.manual_seed(0)
    size = SIZES[name]
    config = CLIPVisionConfig(intermediate_size=4 * size["hidden_size"], projection_dim=size["hidden_size"], **size)
    CLIPVisionModel(config).save_pretrained(directory)
    edge = size["image_size"]
    preprocessor = {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": edge},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": edge, "width": edge},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "do_convert_rgb": True,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    with open(f"{directory}/preprocessor_config.json", "w") as file:
        json.dump(preprocessor, file, indent=2)


def serve(directory: str, dtype: str, threads: int) -> None:
    torch.set_num_threads(threads)
    model = CLIPVisionModel.from_pretrained(directory, dtype={"f32": torch.float32, "bf16": torch.bfloat16}[dtype])
    model = model.eval()
    edge = model.config.image_size
    pixels = torch.randn(1, 3, edge, edge, dtype=model.dtype)
    print(json.dumps({"ready": True, "version": torch.__version__}), flush=True)
    for line in sys.stdin:
        command, count = line.split()
        if command != "run":
            break
        times = []
        with torch.inference_mode():
            for _ in range(int(count)):
                start = time.perf_counter()
                model(pixels)
                times.append((time.perf_counter() - start) * 1e3)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"ms": times, "peakBytes": peak}), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], sys.argv[3])
    else:
        serve(sys.argv[2], sys.argv[3], int(sys.argv[4]))
