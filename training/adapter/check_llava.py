"""`python -m adapter.check_llava`: trains adapters for tiny LLaVAs, on the pictures of check.py.

The language model is first taught to name the colour of the left half, whatever is asked, and then frozen. What the
adapter has to bring is that the question reaches the tower.
"""

import contextlib
import io
import json
import random
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration, PreTrainedModel

from fixtures.gemma_models import GEMMA3, PALIGEMMA, PALIGEMMA2, TinyGemma
from fixtures.internvl_models import INTERNVL
from fixtures.llava_models import CLIP_LLAMA, SIGLIP_QWEN
from fixtures.llava_next_models import LLAVA_NEXT, ONEVISION
from fixtures.qwen2_vl_models import QWEN2VL, TinyQwen2Vl
from fixtures.smolvlm_models import IDEFICS3_LLAMA
from fixtures.tiny_models import TinyModel, TinySpec
from fixtures.vision_language import collapsed, inputs_of

from . import decoder_onnx, llava, train
from .check import write_samples
from .check_steps import check_checkpointing, check_processes
from .data import Samples, read_samples
from .export_language import export_llava
from .families import FAMILIES
from .llava_prompts import LlavaBatch

TEACHING_STEPS = 200
STEPS = 500
FEW_STEPS = 10


def arguments(folder: Path, **more: object) -> list[str]:
    """Into folder/adapter; an option that is True is a flag, one that is None is left out."""
    options = {"model": folder / "llava", "data": folder / "samples.jsonl", "out": folder / "adapter"}
    options |= {"device": "cpu", "workers": 0, "batch": 16, "rate": 3e-3, "steps": 1} | more
    given = {f"--{name}": value for name, value in options.items() if value is not None}
    return [part for name, value in given.items() for part in ([name] if value is True else [name, str(value)])]


def run(folder: Path, **more: object) -> tuple[list[float], str]:
    """The loss of every step, and what was printed."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        losses = train.main(arguments(folder, **more))
    return losses, printed.getvalue()


def complaint(folder: Path, **more: object) -> str:
    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()):
        try:
            train.main(arguments(folder, **more))
        except SystemExit as error:
            return f"{said.getvalue()}{error}"
    return said.getvalue()


def write_model(spec: TinySpec, folder: Path) -> TinyModel:
    with torch.no_grad():
        tiny = spec.build(1)
        for parameter in FAMILIES[tiny.model.config.model_type].language(tiny.model).parameters():
            parameter.mul_(0.2 if parameter.dim() > 1 else 1)  # what is drawn for fixtures is too loud to learn
    tiny.model.save_pretrained(folder / "llava")
    tiny.saved_processor().save_pretrained(folder / "llava")
    return tiny


def teach(folder: Path) -> None:
    """Projector and language model learn to say what the left half's colour is, whatever is asked."""
    setup = llava.prepare(train.parse(arguments(folder)))
    model = setup.model
    inner = model.language.model
    taught = [*inner.multi_modal_projector.parameters(), *inner.language_model.parameters()]
    taught += model.language.lm_head.parameters()
    for parameter in taught:
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW(taught, lr=3e-3)
    rows = Samples(read_samples(folder / "samples.jsonl"), setup.processor)
    lefts = [row for row in rows if "left" in row[1].question]
    for _ in range(TEACHING_STEPS):
        asked = [
            (pixels, replace(sample, question=random.choice([sample.question, "What colour is on the right?"])), answer)
            for pixels, sample, answer in random.sample(lefts, 16)
        ]
        loss = model.loss(setup.join(asked))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.language.save_pretrained(folder / "llava")


def check_training(folder: Path) -> None:
    """Half of the questions are about the left half, which is all that the language model tells without an adapter."""
    for more in ({}, {"train-projector": True}):
        losses, printed = run(folder, steps=STEPS, **{"held-out": folder / "samples.jsonl"}, **more)
        first, last = np.mean(losses[:10]), np.mean(losses[-10:])
        share = float(printed.split("held-out exact match ")[1].split("%")[0])
        assert last < 0.3 * first and share > 80, f"the loss went from {first:.3f} to {last:.3f}, {share}% are right"
        config = json.loads((folder / "adapter" / "config.json").read_text())
        # Of four layers the last is not computed, so that of `late` one is left.
        assert config["layers"] == [2] and config["vision_feature_layer"] == -2 and config["keep_cls"] is False, config
        assert config["question"] == {"features": "embedding", "normalization": "none", "max_tokens": 30}, config
        stored = load_file(folder / "adapter" / "model.safetensors")
        assert ("translation_mlp.layers.0.weight" in stored) == bool(more), sorted(stored)
        print(f"llava: the loss fell from {first:.2f} to {last:.3f}, {share}% are right")


def check_beginning(folder: Path, tiny: TinyModel) -> None:
    """Without a question in the tower: the model's own prompts and answers; alone as in a batch."""
    setup = llava.prepare(train.parse(arguments(folder)))
    model = setup.model.eval()
    own = model.family.kind.from_pretrained(folder / "llava").eval()
    rows = [row for row in Samples(read_samples(folder / "samples.jsonl"), setup.processor)][:6]
    long = "What colour is on the left, and what is on the right, and which one is it?"
    rows[3] = (rows[3][0], replace(rows[3][1], question=long), rows[3][2])
    batch = unasked(setup.join(rows))
    together = model.answer(batch, setup.tokenizer)
    for (pixels, sample, answer), prompt, said in zip(rows, batch.prompts, together, strict=True):
        picture = tiny.whole(Image.open(sample.image))
        asked = inputs_of(tiny, np.asarray(picture), {"question": sample.question})
        assert prompt.tolist() == collapsed(tiny, asked["input_ids"][0].tolist())
        asked["pixel_values"] = tiny.pixel_values(pixels[None]).reshape(asked["pixel_values"].shape)
        own_said = setup.tokenizer.decode(greedy(own, tiny, asked), skip_special_tokens=True).strip()
        assert own_said == said, f"Expected {own_said!r} but received {said!r}"
        alone = unasked(setup.join([(pixels, sample, answer)]))
        assert model.answer(alone, setup.tokenizer) == [said]
        ends = alone.labels[0].tolist()
        assert ends[-1] == model.end_tokens[0] == 1
        assert setup.tokenizer.decode(ends[:-1]).strip() == answer
    batch, alone = setup.join(rows), [setup.join([row]) for row in rows]
    counts = [one.labels.shape[1] for one in alone]
    mean = sum(model.loss(one) * count for one, count in zip(alone, counts, strict=True)) / sum(counts)
    torch.testing.assert_close(model.loss(batch), mean)


def greedy(own: PreTrainedModel, tiny: TinyModel, asked: dict) -> list[int]:
    settings = {"max_new_tokens": 30, "do_sample": False}
    ids = asked["input_ids"]
    if tiny.answers_pictures(asked):
        return own.generate(**asked, **settings)[0, ids.shape[1] :].tolist()
    rows = own.get_input_embeddings()(ids).clone()
    with torch.no_grad():
        rows[ids == tiny.image_token] = tiny.arranged(tiny.visual(tiny.pictures(asked)), None).flatten(0, 1)
        return own.generate(inputs_embeds=rows, **settings)[0].tolist()


def unasked(batch: LlavaBatch) -> LlavaBatch:
    return replace(batch, mask=torch.zeros_like(batch.mask))


def check_modes(folder: Path) -> None:
    setup = llava.prepare(train.parse(arguments(folder, **{"train-projector": True})))
    model = setup.model.train()
    trained = {name.split(".")[1] for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {"fusing", "translation_mlp"}, trained
    assert not any(module.training for module in (*model.language.modules(), *model.tower.tower.modules()))
    own = model.language.model.multi_modal_projector
    state = torch.randn(2, own.linear_1.in_features)
    torch.testing.assert_close(model.tower.translation_mlp(state), own(state))
    half = llava.prepare(train.parse(arguments(folder, bf16=True))).model
    torch.testing.assert_close(half.question_table, model.question_table, rtol=0, atol=0)
    assert half.language.lm_head.weight.dtype is torch.bfloat16
    assert {parameter.dtype for parameter in half.tower.parameters()} == {torch.float32}


def check_export(folder: Path, tiny: TinyModel) -> None:
    """Decoder graphs against PyTorch: a prompt in two calls; weights in the graph and beside it; 4 bits."""
    out, inside = folder / "onnx", decoder_onnx.INSIDE
    config = tiny.model.config.text_config
    rows = torch.randn(1, 7, config.hidden_size)
    # Of the first five the middle three are a picture's, where a language model is told.
    types = tiny.row_types(torch.tensor([[0, *[tiny.image_token] * 3, 0]]), 2) if isinstance(tiny, TinyGemma) else None
    told = {} if types is None else {"token_type_ids": types}
    places = torch.arange(7)[None]
    if isinstance(tiny, TinyQwen2Vl):
        places = torch.randint(20, (3, 1, 7))
        told = {"position_ids": places}
    with torch.no_grad():
        wanted = tiny.model(inputs_embeds=rows, **told).logits[0].numpy()
    for limit in (inside, 1024):
        decoder_onnx.INSIDE = limit
        export_llava(folder / "llava", out, bits=4)
        for name, most in (("decoder_model_merged", 1e-4), ("decoder_model_merged_q4", 0.5)):
            assert (out / f"{name}.onnx_data").exists() == (limit < inside)
            session = onnxruntime.InferenceSession(out / f"{name}.onnx")
            error = np.abs(in_two(session, rows.numpy(), 5, places, types) - wanted).max() / np.abs(wanted).max()
            assert error < most, f"{name} is off by {error}"
    decoder_onnx.INSIDE = inside
    assert (out / "tokenizer.json").is_file() and (out / "config.json").is_file()
    export_llava(folder / "llava", folder / "llava" / "onnx", bits=None)
    made = {path.name for path in (folder / "llava" / "onnx").iterdir()}
    assert made == {"embed_tokens.onnx", "decoder_model_merged.onnx"}, made
    shutil.rmtree(folder / "llava" / "onnx")


def in_two(
    session: onnxruntime.InferenceSession,
    rows: np.ndarray,
    first: int,
    places: torch.Tensor,
    types: torch.Tensor | None,
) -> np.ndarray:
    """Logits [T, vocabulary] of rows [1, T, E], of which `first` go before the others; position_ids [..., 1, T]."""
    outputs = [value.name for value in session.get_outputs()]
    shapes = {value.name: value.shape for value in session.get_inputs() if value.name.startswith("past")}
    past = {name: np.zeros((1, shape[1], 0, shape[3]), np.float32) for name, shape in shapes.items()}
    logits = []
    for begin, end in ((0, first), (first, rows.shape[1])):
        feeds = {"inputs_embeds": rows[:, begin:end], "attention_mask": np.ones((1, end), np.int64)}
        feeds |= {"position_ids": places[..., begin:end].numpy()} | past
        if "token_type_ids" in (value.name for value in session.get_inputs()):
            feeds["token_type_ids"] = types[:, begin:end].numpy()
        said = dict(zip(outputs, session.run(None, feeds), strict=True))
        logits.append(said.pop("logits")[0])
        past = {name.replace("present", "past_key_values"): value for name, value in said.items()}
    return np.concatenate(logits)


def check_refusals(folder: Path) -> None:
    config, spelled, blank = folder / "llava" / "config.json", folder / "spelled.jsonl", folder / "blank.jsonl"
    fields = json.loads(config.read_text())
    whole = (folder / "samples.jsonl").read_text()
    for file, question in ((spelled, "what is an <image>?"), (blank, " ")):
        last = json.dumps({"image": "0.png", "question": question, "answer": "red"})
        file.write_text(f"{whole}{last}\n")
    for wanted, options, changed in (
        ("received no --language", {"model": None, "tower": folder / "llava"}, {}),
        ("Expected no --tower beside --model", {"tower": folder / "llava"}, {}),
        ("Expected no --features beside --model", {"features": "encoder"}, {}),
        ("Expected no --drop-cls beside --model", {"drop-cls": True}, {}),
        ("Expected no --language-out beside --model", {"language-out": folder / "other"}, {}),
        ("for --out but received", {"out": folder / "llava"}, {}),
        ("Expected at most 9 visual tokens for --select but received 10", {"select": "10"}, {}),
        (f"Expected model_type {', '.join(FAMILIES)}", {}, {"model_type": "qwen2_5_vl"}),
        ("Expected one layer for vision_feature_layer", {}, {"vision_feature_layer": [-2, -1]}),
        ("uses the rows of its embedding table as they are", {}, {"text_config": {"model_type": "gemma3n_text"}}),
        ("Expected 1 for embedding_multiplier", {}, {"text_config": {"embedding_multiplier": 12}}),
        ("Expected 'default' or 'full'", {}, {"vision_feature_select_strategy": "cls"}),
        ("Expected one <image> in the prompts", {}, {"prompt_template": "Q: {question}\nA:"}),
        (f"Expected a question without <image> in {spelled}:97", {"data": spelled}, {}),
        (f"Expected a question that asks something in {blank}:97", {"data": blank}, {}),
    ):
        config.write_text(json.dumps(fields | changed))
        said = complaint(folder, **({"out": folder / "never"} | options))
        assert wanted in said, f"Expected {wanted!r} but received {said!r}"
        assert not (folder / "never").exists(), f"{options} trained"
    config.write_text(json.dumps(fields | {"prompt_template": "Q: <image> {question}\nA:"}))
    setup = llava.prepare(train.parse(arguments(folder)))
    (prompt,) = setup.join([Samples(read_samples(folder / "samples.jsonl"), setup.processor)[0]]).prompts
    assert setup.tokenizer.decode(prompt.tolist(), skip_special_tokens=False).startswith("<s>Q: <image>"), prompt
    config.write_text(json.dumps(fields))
    warned = complaint(folder, **{"integration-point": "late"})
    assert "warning: fused layers 3 do not train: --vision-feature-layer -2 lies below" in warned, warned


def check_templates(folder: Path) -> None:
    """Some join texts, and fail where a message comes in parts; others take no message at all."""
    file = folder / "llava" / "chat_template.jinja"
    own = file.read_text()
    joined = "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n' }}{% endfor %}A:"
    trimmed = "{% for message in messages %}{{ message['content'].strip() }}{% endfor %}"
    for template, wanted in (
        (joined, "user: <image>\nwhat?\nA:"),
        (trimmed, "<image>\nwhat?"),
    ):
        file.write_text(template)
        setup = llava.prepare(train.parse(arguments(folder)))
        assert setup.join.prompts.text("what?") == wanted, setup.join.prompts.text("what?")
    for template in ("{{ raise_exception('no') }}", "{% if %}"):
        file.write_text(template)
        said = complaint(folder)
        assert "Expected a chat template that takes a question" in said, said
    file.write_text(own)


def check_memory(folder: Path) -> None:
    for more in ({}, {"select": "1,4", "train-projector": True}, {"bf16": True}):
        options = arguments(folder, **more)
        setup = llava.prepare(train.parse(options))
        rows = Samples(read_samples(folder / "samples.jsonl"), setup.processor)
        check_processes(setup, rows)
        batch = setup.join([rows[0], rows[1]])
        check_checkpointing(lambda options=options: llava.prepare(train.parse(options)), batch)


def check_end(folder: Path) -> None:
    """Where several tokens end an answer, it is taught with the one that the template writes behind it."""
    rules = folder / "llava" / "generation_config.json"
    own = rules.read_text()
    rules.write_text(json.dumps(json.loads(own) | {"eos_token_id": [0, 1]}))
    setup = llava.prepare(train.parse(arguments(folder)))
    batch = setup.join([Samples(read_samples(folder / "samples.jsonl"), setup.processor)[0]])
    assert setup.model.end_tokens == [0, 1] and batch.labels[0, -1] == 1, batch.labels
    rules.write_text(own)


def check_unasked(folder: Path) -> None:
    """A question without a token, of signs that the tokenizer does not know, goes through the plain tower."""
    setup = llava.prepare(train.parse(arguments(folder)))
    rows = Samples(read_samples(folder / "samples.jsonl"), setup.processor)
    silent = (rows[0][0], replace(rows[0][1], question=""), rows[0][2])
    alone, both = setup.join([silent]), setup.join([silent, rows[1]])
    assert alone.question.shape == (1, 0) and both.mask[0].sum() == 0
    torch.testing.assert_close(setup.model.see(both)[1][:1], setup.model.see(alone)[1])
    assert torch.isfinite(setup.model.loss(both))


def check_siglip(folder: Path) -> None:
    """Another tower and language model, every layer computed, fewer visual tokens."""
    tiny = write_model(SIGLIP_QWEN, folder)
    said = complaint(folder, **{"train-projector": True})
    assert "Expected a projector with biases and gelu or relu" in said, said
    check_end(folder)
    check_unasked(folder)
    check_beginning(folder, tiny)
    check_export(folder, tiny)
    losses, printed = run(folder, steps=FEW_STEPS, select="1,4", **{"held-out": folder / "samples.jsonl"})
    assert np.isfinite(losses).all() and printed.count("held-out") == 3, printed
    assert json.loads((folder / "adapter" / "config.json").read_text())["layers"] == [1]
    change_config(folder, vision_feature_select_strategy="default")
    said = complaint(folder)
    assert "Expected a tower with a class token and no registers" in said, said


def check_others(spec: TinySpec, folder: Path) -> None:
    """SmolVLM is Idefics3 with other names (test/training)."""
    tiny = write_model(spec, folder)
    check_beginning(folder, tiny)
    check_export(folder, tiny)
    unwanted = ["train-projector", *(["select"] if FAMILIES[tiny.model.config.model_type].unselectable else [])]
    for option in unwanted:
        said = complaint(folder, **{option: "1" if option == "select" else True})
        assert f"--{option}" in said, said
    losses, printed = run(folder, steps=FEW_STEPS, bf16=True, **{"held-out": folder / "samples.jsonl"})
    assert np.isfinite(losses).all() and printed.count("held-out") == 1, printed
    config = json.loads((folder / "adapter" / "config.json").read_text())
    layer, keep_cls = tiny.taken["hidden_layer"], tiny.taken["keep_cls"]
    assert (config["vision_feature_layer"], config["keep_cls"]) == (layer, keep_cls), config
    if spec is LLAVA_NEXT:
        change_config(folder, vision_feature_select_strategy="full")
        said = complaint(folder)
        assert "Expected a tower without tokens before its patches" in said, said
    if spec is QWEN2VL:
        check_shapes(folder)
        config = json.loads((folder / "llava" / "config.json").read_text())
        change_config(folder, vision_config=config["vision_config"] | {"spatial_merge_size": 3})
        said = complaint(folder)
        assert "Expected 2 for spatial_merge_size of vision_config" in said, said
    if spec is PALIGEMMA:
        check_other_tower(folder, tiny)


def check_shapes(folder: Path) -> None:
    """Pictures of several shapes train together, and are answered each as alone."""
    shaped = folder / "shaped.jsonl"
    lines = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    for i, line in enumerate(lines):
        picture = Image.open(folder / line["image"])
        line["image"] = f"shaped-{i}.png"
        picture.resize((16 + 8 * (i % 3), 24)).save(folder / line["image"])
    shaped.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    losses, printed = run(folder, steps=FEW_STEPS, data=shaped, **{"held-out": shaped})
    assert np.isfinite(losses).all() and losses[-1] < losses[0] and "held-out" in printed, (losses, printed)
    setup = llava.prepare(train.parse(arguments(folder)))
    model, rows = setup.model.eval(), [*Samples(read_samples(shaped), setup.processor)][:6]
    batch = setup.join(rows)
    assert isinstance(batch.pixels, list) and len(batch.pieces(6)) == 3
    for piece in batch.pieces(6):
        visual = model.see(piece)[1]
        alone = [model.see(piece.take([i]))[1] for i in range(len(visual))]
        torch.testing.assert_close(visual, torch.cat(alone))


def check_other_tower(folder: Path, tiny: TinyModel) -> None:
    """transformers takes a PaliGemma of any tower."""
    config = tiny.model.config
    tower = {"model_type": "clip_vision_model", "hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    tower |= {"num_hidden_layers": 1, "image_size": 16, "patch_size": 8}
    text = config.text_config.to_dict()
    sizes = {"image_token_index": config.image_token_index, "projection_dim": config.projection_dim}
    other = PaliGemmaForConditionalGeneration(PaliGemmaConfig(vision_config=tower, text_config=text, **sizes))
    other.save_pretrained(folder / "llava")
    said = complaint(folder)
    assert "Expected siglip_vision_model for model_type in vision_config" in said, said


def change_config(folder: Path, **fields: object) -> None:
    file = folder / "llava" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def main() -> None:
    random.seed(0)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_samples(folder, 48)
        tiny = write_model(CLIP_LLAMA, folder)
        check_beginning(folder, tiny)
        check_modes(folder)
        check_memory(folder)
        check_refusals(folder)
        check_templates(folder)
        check_export(folder, tiny)
        teach(folder)
        check_training(folder)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_samples(folder, 8)
        check_siglip(folder)
    for spec in (IDEFICS3_LLAMA, INTERNVL, LLAVA_NEXT, ONEVISION, PALIGEMMA, PALIGEMMA2, GEMMA3, QWEN2VL):
        with tempfile.TemporaryDirectory() as name:
            write_samples(Path(name), 8)
            check_others(spec, Path(name))
    print("llava: all checks passed")


if __name__ == "__main__":
    main()
