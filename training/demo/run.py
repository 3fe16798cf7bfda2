"""python -m demo.run: everything from drawing the pictures to models/demo. Run it from training/.

--stage picks one step (each reads what the steps before it left in training/out/demo); --quick tries them all in
minutes.
"""

import argparse
import os

import torch

from .arms import load_arm, score_arm, train_arm
from .data import load_split
from .export import check_size, export
from .features import load_features, load_tower
from .few import load_few, train_few
from .language_pretrain import pretrain_language
from .pretrain import pretrain
from .probe import probe, probe_arms
from .readme import write_readme
from .report import ARMS, few_table, table
from .samples import write_samples
from .settings import QUICK, SHIPPED, Settings
from .verify import verify

STAGES = (
    *("render", "pretrain", "probe", "language", "arms", "evaluate", "probe-arms", "few"),
    *("export", "verify", "report"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stage", choices=STAGES, nargs="+", default=STAGES, help="only these, in this order")
    parser.add_argument("--arm", choices=tuple(ARMS), nargs="+", default=tuple(ARMS), help="only these arms")
    parser.add_argument("--seed", type=int, nargs="+", help="only these seeds (default: all)")
    parser.add_argument("--quick", action="store_true", help="a few minutes; its accuracy means nothing")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (default: all)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    settings = QUICK if options.quick else Settings()
    seeds = options.seed if options.seed is not None else settings.seeds
    for stage in options.stage:
        run_stage(stage, settings, options.arm, seeds)


def run_stage(stage: str, settings: Settings, arms: list[str], seeds: list[int]) -> None:
    runs = [(arm, seed) for seed in seeds for arm in arms]
    if stage == "render":
        for split in ("train", "held_out"):
            load_split(split, settings)
    elif stage == "pretrain":
        pretrain(settings)
    elif stage == "probe":
        probe(settings, load_tower(settings))
    elif stage == "language":
        pretrain_language(settings)
    elif stage == "arms":
        tower = load_tower(settings)
        features = load_features(settings, tower)
        for arm, seed in runs:
            train_arm(arm, seed, settings, tower, features)
    elif stage == "evaluate":
        for arm, seed in runs:
            score_arm(arm, seed, settings, *load_arm(arm, seed, settings, load_tower(settings)))
    elif stage == "probe-arms":
        tower = load_tower(settings)
        probe_arms(settings, {arm: load_arm(arm, SHIPPED[1], settings, tower) for arm in arms})
    elif stage == "few":
        tower = load_tower(settings)
        features = load_features(settings, tower)
        for arm, seed in runs:
            train_few(arm, seed, settings, tower, features)
        print(few_table(settings), flush=True)
    elif stage in ("export", "verify"):
        tower = load_tower(settings)
        reader, visual = load_few(*SHIPPED, settings, tower)
        if stage == "export":
            export(settings, tower, reader, visual)
            write_samples(settings, *load_few(*SHIPPED, settings, tower))
        else:
            verify(settings, reader, visual)
    else:
        write_readme(settings)
        print(f"{table(settings)}\n{check_size() / 2**20:.1f} MiB", flush=True)


if __name__ == "__main__":
    main()
