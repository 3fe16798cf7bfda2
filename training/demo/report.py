"""The comparison of the arms: results as JSON beside the checkpoints, and the table of the READMEs."""

import json

import numpy as np

from .questions import FAMILIES
from .settings import SHIPPED, Settings

ARMS = {
    "plain": "(a) no fusing",
    "question": "(b) QA-ViT",
    "constant": "(c) constants instead of the question",
}
ASKED = {"count": "how many of something there are", "anything": "a question of any family"}
ROWS = [*FAMILIES, "all families"]
FEW_ROWS = ["all families", "digit"]  # digit: one small thing in the picture, and the question says which


def save_scores(settings: Settings, arm: str, seed: int, scores: dict) -> None:
    path = settings.out / f"scores-{arm}-{seed}.json"
    path.write_text(json.dumps(scores, indent=1) + "\n")


def load_scores(settings: Settings) -> dict[str, dict[int, dict]]:
    """Arm -> seed -> scores, of whatever has been run."""
    found: dict[str, dict[int, dict]] = {arm: {} for arm in ARMS}
    for arm in ARMS:
        for path in sorted(settings.out.glob(f"scores-{arm}-*.json")):
            found[arm][int(path.stem.rsplit("-", 1)[1])] = json.loads(path.read_text())
    return found


def table(settings: Settings) -> str:
    """Markdown: exact match in per cent, mean over seeds and, with more than one seed, the standard deviation."""
    scores = load_scores(settings)
    titles = [f"{title}, {len(scores[arm])} seed{'s' * (len(scores[arm]) != 1)}" for arm, title in ARMS.items()]
    lines = [f"| question family | {' | '.join(titles)} |", "|---" + "|---:" * len(ARMS) + "|"]
    for row in ROWS:
        cells = [_cell([run[row] for run in scores[arm].values()]) for arm in ARMS]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines)


def seed_table(settings: Settings) -> str:
    """Markdown: the mean over families, one line a seed, and the gates of arm (b)."""
    scores = load_scores(settings)
    seeds = sorted({seed for runs in scores.values() for seed in runs})
    lines = [
        f"| seed | {' | '.join(ARMS.values())} | tanh(beta) of (b), layer by layer |",
        "|---" * (len(ARMS) + 2) + "|",
    ]
    for seed in seeds:
        cells = [_cell([scores[arm][seed]["all families"]] if seed in scores[arm] else []) for arm in ARMS]
        gates = scores["question"].get(seed, {}).get("gates", [])
        lines.append(f"| {seed} | {' | '.join(cells)} | {', '.join(f'{g:+.3f}' for g in gates)} |")
    return "\n".join(lines)


def probe_table(settings: Settings) -> str:
    """Markdown: what a linear probe reads off patches that show a character, by hidden state."""
    return _probe_rows(settings, "probe", {"hidden state": str})


def arms_probe_table(settings: Settings) -> str:
    """Markdown: the same of what the arms hand over, by what they are asked."""
    return _probe_rows(settings, "probe-arms", {"arm": ARMS.__getitem__, "asked": ASKED.__getitem__})


def save_few(settings: Settings, arm: str, seed: int, scores: dict) -> None:
    path = settings.out / f"few-{arm}-{seed}.json"
    path.write_text(json.dumps(scores, indent=1) + "\n")


def few_table(settings: Settings) -> str:
    """Markdown: exact match in per cent by how many tokens the language model reads, of the arms that have been run."""
    found = {arm: sorted(settings.out.glob(f"few-{arm}-*.json")) for arm in ARMS}
    scores = {arm: [json.loads(path.read_text()) for path in paths] for arm, paths in found.items() if paths}
    columns = [(arm, row) for row in FEW_ROWS for arm in scores]
    titles = [f"{row}, {ARMS[arm]}" for arm, row in columns]
    lines = [f"| visual tokens | {' | '.join(titles)} |", "|---" + "|---:" * len(columns) + "|"]
    for count in next(iter(scores.values()))[0]:
        cells = [_cell([run[count][row] for run in scores[arm]]) for arm, row in columns]
        lines.append(f"| {count} | {' | '.join(cells)} |")
    return "\n".join(lines)


def shipped_table(settings: Settings) -> str:
    """Markdown: the same of the one arm and seed that ships, a column for each number of tokens."""
    arm, seed = SHIPPED
    scores = json.loads((settings.out / f"few-{arm}-{seed}.json").read_text())
    counts = [count for count in scores if "random" not in count]
    lines = [f"| visual tokens | {' | '.join(counts)} |", "|---" + "|---:" * len(counts) + "|"]
    for row in FEW_ROWS:
        lines.append(f"| {row} | {' | '.join(_cell([scores[count][row]]) for count in counts)} |")
    return "\n".join(lines)


def _probe_rows(settings: Settings, file: str, labels: dict) -> str:
    rows = json.loads((settings.out / f"{file}.json").read_text())
    numbers = [name for name in rows[0] if name not in labels]
    lines = [f"| {' | '.join([*labels, *numbers])} |", "|---" * len(labels) + "|---:" * len(numbers) + "|"]
    for row in rows:
        cells = [*(label(row[name]) for name, label in labels.items()), *(f"{row[name]:.1f}" for name in numbers)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    if not values:
        return "not run"
    mean = f"{np.mean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1):.1f}"
