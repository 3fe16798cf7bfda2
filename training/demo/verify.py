"""Checks the written folder: greedy answers through ONNX Runtime equal PyTorch's, on held-out pictures."""

import json

import numpy as np
import onnxruntime
import torch
from PIL import Image
from tokenizers import Tokenizer
from transformers import CLIPImageProcessor

from qavit_torch.questions import normalize_question

from .data import normalize, shrink
from .evaluate import held_out_questions
from .language import EOS, PAD, tokenize
from .reader import MAX_ANSWER_TOKENS, Reader, text_of
from .scenes import make_scene, render
from .settings import HELD_OUT_SEEDS, MODEL, Settings, device
from .visual import Visual

PICTURES = 50


class OnnxLanguage:
    """The language folder, driven as any runtime would drive it: one picture, caches handed from step to step."""

    def __init__(self, folder=MODEL / "language"):
        self.embed, self.encoder, self.decoder = (
            onnxruntime.InferenceSession(folder / f"{name}.onnx", providers=["CPUExecutionProvider"])
            for name in ("embed_tokens", "encoder_model", "decoder_model_merged")
        )
        config = json.loads((folder / "config.json").read_text())
        self.empty = np.zeros((1, config["num_heads"], 0, config["d_kv"]), np.float32)
        self.outputs = [o.name for o in self.decoder.get_outputs()]
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def embed_question(self, question: str) -> np.ndarray:
        ids = np.array([self.tokenizer.encode(normalize_question(question)).ids])
        return self.embed.run(None, {"input_ids": ids})[0]

    def encode(self, rows: np.ndarray) -> np.ndarray:
        mask = np.ones(rows.shape[:2], np.int64)
        return self.encoder.run(None, {"inputs_embeds": rows, "attention_mask": mask})[0]

    def answer(self, visual: np.ndarray, question: str) -> str:
        """`visual` [1, N, E] projected tokens -> the greedy answer."""
        states = self.encode(np.concatenate([visual, self.embed_question(question)], 1))
        names = [o.replace("present", "past_key_values") for o in self.outputs[1:]]
        past, said, token = dict.fromkeys(names, self.empty), [], PAD
        while len(said) < MAX_ANSWER_TOKENS:
            feeds = {
                "input_ids": np.array([[token]]),
                "encoder_hidden_states": states,
                "encoder_attention_mask": np.ones(states.shape[:2], np.int64),
                "use_cache_branch": np.array([bool(said)]),
                **past,
            }
            logits, *caches = self.decoder.run(None, feeds)
            past, token = dict(zip(names, caches, strict=True)), int(logits[0, -1].argmax())
            if token == EOS:
                break
            said.append(token)
        return self.tokenizer.decode(said)


@torch.no_grad()
def verify(settings: Settings, reader: Reader, visual: Visual) -> None:
    """Raises where ONNX and PyTorch part, or where our shrinking differs from the image processor's."""
    language, held_out = OnnxLanguage(), held_out_questions(settings)
    compared = 0
    for row in range(PICTURES):
        pixels = normalize(torch.from_numpy(held_out.pictures[row : row + 1].copy()).to(device()))
        for index in np.flatnonzero(held_out.rows == row):
            question = held_out.questions[index].text
            ids, mask = (t.to(device()) for t in tokenize(language.tokenizer, [question]))
            features = language.encode(language.embed_question(question))
            torch.testing.assert_close(
                torch.from_numpy(features), reader.question_features(ids, mask).cpu(), rtol=1e-4, atol=1e-4
            )
            seen = visual.from_pixels(pixels, ids, mask, reader)
            (torch_says,) = text_of(language.tokenizer, reader.answer(seen, ids, mask))
            onnx_says = language.answer(reader.projector(seen).cpu().numpy(), question)
            if torch_says != onnx_says:
                raise AssertionError(f"Expected '{torch_says}' for '{question}' but ONNX Runtime said '{onnx_says}'")
            compared += 1
    _verify_processor(settings)
    print(f"ONNX Runtime and PyTorch agree on {compared} questions about {PICTURES} held-out pictures", flush=True)


def _verify_processor(settings: Settings) -> None:
    picture: Image.Image = render(make_scene(HELD_OUT_SEEDS.start))
    processor = CLIPImageProcessor.from_pretrained(MODEL / "tower")
    theirs = processor(picture, return_tensors="pt")["pixel_values"]
    ours = normalize(torch.from_numpy(shrink(picture, settings.picture)[None].copy()))
    torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-5)
