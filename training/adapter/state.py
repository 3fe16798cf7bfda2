"""What a training run needs to go on where it was: what trains, the optimizer's moments, and how many steps are done.

What a step sees and draws depends on the seed and its number alone (data.py, loop.py), so that nothing else is kept.
"""

import os
import pickle
from pathlib import Path

import torch
from torch import nn


class RunState:
    """In one file, which is whole or the one before. `settings` say which runs may go on from it."""

    def __init__(self, file: Path, settings: dict[str, str], model: nn.Module, optimizer: torch.optim.Optimizer):
        self.file, self.settings, self.optimizer = file, settings, optimizer
        self.trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}

    def save(self, step: int) -> None:
        parameters = {name: parameter.detach() for name, parameter in self.trained.items()}
        moments = self.optimizer.state_dict()["state"]
        unfinished = self.file.with_name(f"{self.file.name}.part")
        with unfinished.open("wb") as file:
            state = {"settings": self.settings, "step": step, "parameters": parameters, "moments": moments}
            try:
                torch.save(state, file)
            except RuntimeError as error:  # what PyTorch makes of a full disk
                raise OSError(f"Expected room for the state of the run in {unfinished} but received {error}") from error
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self.file)

    def load(self) -> int:
        """How many steps are done: 0 where there is no file yet."""
        if not self.file.exists():
            return 0
        try:
            kept = torch.load(self.file, map_location="cpu", weights_only=True)
            settings, step, parameters, moments = (kept[key] for key in ("settings", "step", "parameters", "moments"))
        except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
            raise ValueError(f"Expected the state of a run in {self.file} but received something else") from error
        for name in self.settings | settings:
            # An option that there was not yet had no value.
            theirs, ours = (each.get(name, "None") for each in (settings, self.settings))
            if theirs != ours:
                began = f"--{name.replace('_', '-')} {theirs}, with which the run in {self.file} began,"
                raise ValueError(f"Expected {began} but received {ours}")
        if {name: tensor.shape for name, tensor in parameters.items()} != {
            name: parameter.shape for name, parameter in self.trained.items()
        }:
            raise ValueError(f"Expected a run that trains what the one in {self.file} does but received another")
        with torch.no_grad():
            for name, parameter in self.trained.items():
                parameter.copy_(parameters[name])
        # Rates are of this run's options, not of the file.
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        return step
