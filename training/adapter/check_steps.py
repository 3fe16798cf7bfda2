"""`python -m adapter.check_steps`: less memory, the same gradients; a run that ended goes on as if it had not."""

import contextlib
import io
import json
import os
import pickle
import resource
import stat
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest import mock

import torch

from fixtures.towers import TowerSpec

from . import t5
from .answerer import Answerer, Setup
from .check import SIDE, train_adapter, write_language, write_samples, write_tower
from .check_language import refused
from .data import Batch, Order, Samples, read_samples
from .loop import Course, add_gradients, build_optimizer, exact_match, parameter_groups, train
from .options import parse
from .state import RunState

CPU = torch.device("cpu")
STEPS = 7


def gradients(model: Answerer, batch: Batch, **course: object) -> dict[str, torch.Tensor]:
    model.zero_grad()
    torch.manual_seed(0)  # of dropout, and of the number of visual tokens
    add_gradients(model, batch, Course(1, **course), CPU)
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def kept(model: Answerer, batch: Batch) -> int:
    """Numbers that are kept for the way back, weights and the inputs of layers left aside."""
    weights = {parameter.data_ptr() for parameter in model.parameters()}
    sizes = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        sizes.append(0 if tensor.data_ptr() in weights else tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.loss(batch)
    return sum(sizes)


def check_checkpointing(prepare: Callable[[], Setup], batch: Batch) -> None:
    plain, again = prepare().model.train(), prepare().model.train()
    again.load_state_dict(plain.state_dict())
    again.checkpoint_gradients()
    for bf16 in (False, True):
        wanted, found = gradients(plain, batch, bf16=bf16), gradients(again, batch, bf16=bf16)
        assert wanted.keys() == found.keys() and len(wanted) >= 7, (wanted.keys(), found.keys())
        for name, gradient in wanted.items():
            assert torch.equal(gradient, found[name]), f"the gradient of {name} is another"
    assert kept(again, batch) < 0.3 * kept(plain, batch), (kept(again, batch), kept(plain, batch))
    tokens = prepare().tokenizer
    assert plain.eval().answer(batch, tokens) == again.eval().answer(batch, tokens)


def check_micro_batches(model: Answerer, batch: Batch) -> None:
    counts = (batch.labels >= 0).sum(1)
    assert len(set(counts.tolist())) > 1, "answers of one length would not show how pieces weigh"
    wanted = gradients(model, batch)
    for size in (1, 3, len(batch.answers)):
        found = gradients(model, batch, micro_batch=size)
        for name, gradient in wanted.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)


def check_order() -> None:
    whole = list(Order(10, 4, seed=1, steps=8))
    assert [len(batch) for batch in whole] == [4, 4, 2, 4, 4, 2, 4, 4]
    epochs = [[*whole[begin], *whole[begin + 1], *whole[begin + 2]] for begin in (0, 3)]
    assert all(sorted(index for index, _ in epoch) == list(range(10)) for epoch in epochs) and epochs[0] != epochs[1]
    assert all(list(Order(10, 4, seed=1, steps=8, done=done)) == whole[done:] for done in range(9))
    assert list(Order(10, 4, seed=2, steps=8)) != whole


def check_processes(setup: Setup, samples: Samples) -> None:
    """Where reading processes are not forked they get the data set and what joins its rows pickled."""
    read, join = pickle.loads(pickle.dumps((samples, setup.join)))
    again = join([read[0], read[1]])
    for name, wanted in vars(setup.join([samples[0], samples[1]])).items():
        found = getattr(again, name)
        same = torch.equal(found, wanted) if isinstance(wanted, torch.Tensor) else str(found) == str(wanted)
        assert same, f"{name} is another"


def check_room(setup: Setup, batch: Batch) -> None:
    """A wanted answer that is longer than answers usually may be can still be given."""
    long = replace(batch, labels=torch.zeros(len(batch.answers), 50, dtype=torch.long))
    for asked, wanted in ((batch, 30), (long, 50)):
        with mock.patch.object(setup.model, "answer", return_value=[""] * len(batch.answers)) as answer:
            assert exact_match(setup.model.train(), [asked], setup.tokenizer, CPU) == 0
        assert answer.call_args.args[-1] == wanted and setup.model.training


def check_bad_gradients(setup: Setup, batch: Batch) -> None:
    """A finite loss whose gradient is not must not reach the weights."""
    model = setup.model
    gate = next(iter(model.tower.fusing.values())).instruction_proj_gate
    before = gate.detach().clone()
    optimizer = build_optimizer(parameter_groups(model, 1e-3, 1e-3, 1e-3))
    own = model.loss
    with mock.patch.object(model, "loss", lambda batch: own(batch) + (gate * 0).sqrt().sum()):
        try:
            train(model, [batch], optimizer, Course(1), CPU)
        except FloatingPointError as error:
            assert "Expected finite numbers in step 1" in str(error) and "a gradient of nan" in str(error), error
        else:
            raise AssertionError("a gradient that is no number was taken")
    assert torch.equal(gate, before), "the weights moved"


def check_rates(setup: Setup, batch: Batch) -> None:
    """They rise for a twentieth of the steps and fall to nearly 0, each group's from its own. Vectors do not decay."""
    shares = [Course(200).share(step) for step in range(1, 201)]
    assert shares[0] == 0.1 and max(shares) == shares[9] > 0.99 and 0 < shares[-1] < 1e-3, shares
    assert shares[:10] == sorted(shares[:10]) and shares[9:] == sorted(shares[9:], reverse=True)
    groups = parameter_groups(setup.model, 1e-5, 2e-5, 3e-5)
    matrices, vectors, gates, ratings = groups
    sets = [[parameter.dim() for parameter in group["params"]] for group in groups]
    assert set(sets[0]) == {2} and set(sets[1]) == {1} and sets[2:] == [[1, 1], [2]], sets
    assert matrices["weight_decay"] > 0 == vectors["weight_decay"] == gates["weight_decay"] == ratings["weight_decay"]
    optimizer, found = build_optimizer(groups), []
    after = {"after_step": lambda step: found.append([group["lr"] for group in optimizer.param_groups])}
    train(setup.model, [batch] * 3, optimizer, Course(3), CPU, **after)
    for step, rates in enumerate(found, start=1):
        share = Course(3).share(step)
        assert rates == [rate * share for rate in (1e-5, 1e-5, 2e-5, 3e-5)], (step, rates)


def run(folder: Path, **more: object) -> tuple[list[float], str]:
    """With everything that draws: dropout, answers from lists, numbers of visual tokens."""
    options = {"batch": 4, "select": "1,2", "save-every": 3} | more
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        losses = train_adapter(folder, folder / "tower", folder / "samples.jsonl", STEPS, **options)
    return losses, printed.getvalue()


def written(folder: Path) -> dict[str, bytes]:
    return {f"{name}/{file.name}": file.read_bytes() for name in OUT for file in sorted((folder / name).iterdir())}


OUT = ("adapter", "trained")


def check_going_on(folder: Path) -> None:
    whole, _ = run(folder)
    wanted, state = written(folder), folder / "kept" / "run.pt"
    save = RunState.save

    def save_and_end(self: RunState, step: int) -> None:
        save(self, step)
        raise OSError("the power went")

    with mock.patch.object(RunState, "save", save_and_end):
        refused("the power went", lambda: run(folder, state=state))
    assert written(folder) != wanted
    for options, why in (
        ({"batch": 2}, f"Expected --batch 4, with which the run in {state} began, but received 2"),
        ({"seed": 1}, "Expected --seed 0"),
        ({"image-size": "40x24"}, "Expected --image-size None"),
        ({"select": "1"}, "Expected --select [1, 2]"),
        ({"language-out": folder / "other", "features": "embedding"}, "Expected --features None"),
    ):
        refused(why, lambda options=options: run(folder, state=state, **options))
    data = (folder / "samples.jsonl").read_bytes()
    (folder / "samples.jsonl").write_bytes(data + b"\n")
    refused("Expected --data of SHA-256", lambda: run(folder, state=state))
    (folder / "samples.jsonl").write_bytes(data)
    # A run that began before there was an option goes on without it.
    kept = torch.load(state, weights_only=True)
    del kept["settings"]["image_size"], kept["settings"]["max_patches"]
    torch.save(kept, state)
    # Neither other processes that read pictures nor questions in between change what is learned.
    asking = {"held-out": folder / "samples.jsonl", "evaluate-every": 2}
    losses, printed = run(folder, state=state, workers=2, **{"save-every": 100}, **asking)
    assert [line[:4] for line in printed.splitlines()] == ["10 s", *["held"] * 6, "step", *["held"] * 3], printed
    assert "going on after step 3" in printed and losses == whole[3:], (whole, losses, printed)
    assert written(folder) == wanted, "a run that went on wrote something else"
    losses, printed = run(folder, state=state, **{"held-out": folder / "samples.jsonl"})
    assert losses == [] and printed.count("held-out") == 3 and written(folder) == wanted, printed
    # A run that is done keeps what it learned where it is told now.
    elsewhere = folder / "elsewhere"
    run(folder, state=state, out=elsewhere)
    assert {f"adapter/{file.name}": file.read_bytes() for file in elsewhere.iterdir()}.items() <= wanted.items()
    assert (elsewhere / "config.json").is_file() and (elsewhere / "model.safetensors").is_file()
    for content in (b"", b"no state", state.read_bytes()[:1000]):
        (folder / "broken.pt").write_bytes(content)
        refused("Expected the state of a run in", lambda: run(folder, state=folder / "broken.pt"))


def check_memory_options(folder: Path) -> None:
    """The samples of a batch of four, and then of two, as they are computed; every layer's input alone kept."""
    loss, sizes = Answerer.loss, []

    def counted(model: Answerer, batch: Batch) -> torch.Tensor:
        sizes.append(len(batch.answers))
        assert model.tower.gradient_checkpointing
        return loss(model, batch)

    with mock.patch.object(Answerer, "loss", counted):
        run(folder, **{"micro-batch": 3, "gradient-checkpointing": True})
    assert sizes[:5] == [3, 1, 3, 1, 2], sizes


def check_full_disk(folder: Path) -> None:
    """What was kept before stays whole."""
    state = folder / "kept" / "run.pt"
    before, limits = state.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        run_state = RunState(state, {}, torch.nn.Linear(100, 100), torch.optim.SGD([torch.zeros(1)]))
        refused("Expected room for the state of the run", lambda: run_state.save(1))
        room = (folder / "adapter" / "model.safetensors").stat().st_size + 1000  # not for the language model
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
        refused("File too large", lambda: run(folder))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert state.read_bytes() == before, "the state was spoilt"


def check_folders(folder: Path) -> None:
    modes = {name: {stat.S_IMODE(file.stat().st_mode) for file in (folder / name).iterdir()} for name in OUT}
    mask = os.umask(0)
    os.umask(mask)
    assert all(found == {0o666 & ~mask} for found in modes.values()), modes
    (folder / "file").write_text("")
    refused("File exists", lambda: run(folder, out=folder / "file"))
    with mock.patch.object(Answerer, "loss", side_effect=torch.OutOfMemoryError("out of memory")):
        refused("a smaller --micro-batch, --gradient-checkpointing", lambda: run(folder))


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tower(TowerSpec(width=48, heads=3, layers=4, mlp=96, image=SIDE, patch=8), folder / "tower")
        write_language(folder / "language")
        lines = [json.loads(line) for line in write_samples(folder, 5).read_text().splitlines()]
        several = [line | {"answer": [*line["answer"], "red green", "blue on the left"]} for line in lines]
        (folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in several))

        def prepare(*more: str) -> Setup:
            given = {"tower": "tower", "language": "language", "data": "samples.jsonl", "out": "a", "language-out": "b"}
            argv = [part for key, value in given.items() for part in (f"--{key}", str(folder / value))]
            return t5.prepare(parse([*argv, "--device", "cpu", *more]))

        setup = prepare()
        rows = Samples(read_samples(folder / "samples.jsonl"), setup.processor)
        batch = setup.join([rows[index, index] for index in range(7)])
        check_processes(setup, rows)
        check_order()
        check_micro_batches(setup.model, batch)
        check_room(setup, batch)
        check_bad_gradients(setup, batch)
        check_rates(prepare("--select", "2,5"), batch)
        config = folder / "language" / "config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"dropout_rate": 0.1}))
        check_checkpointing(prepare, batch)
        check_checkpointing(lambda: prepare("--select", "2,5"), batch)
        check_going_on(folder)
        check_full_disk(folder)
        check_memory_options(folder)
        check_folders(folder)
    print("steps: all checks passed")


if __name__ == "__main__":
    main()
