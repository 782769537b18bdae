"""Unfinished training, kept so that a killed run goes on where it was."""

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_model, save_model
from torch import nn
from torch.optim import Optimizer

from medseg_lab.training.curves import Curves
from medseg_lab.training.durable import whole_folder


class Checkpoints:
    """The checkpoints of one run: at most `interval` seconds of its work are ever at stake.

    A checkpoint is a folder `step-<n>` with the learner's weights and buffers (safetensors), the optimisers'
    state (read with `weights_only`, so that nothing is unpickled) and the curves. It is written whole, then
    the older one goes. The generators' state is not in it: each step seeds them anew.

    Args:
        folder: of this run's unfinished work; made when first needed.
        interval: seconds between two saves.
    """

    def __init__(self, folder: Path, interval: float) -> None:
        self.folder = folder
        self.interval = interval
        self._last = time.perf_counter()

    @property
    def due(self) -> bool:
        """Whether the interval has passed."""
        return time.perf_counter() - self._last >= self.interval

    def save(self, learner: nn.Module, optimisers: Sequence[Optimizer], curves: Curves) -> None:
        """Write the state after `curves.steps` steps.

        Raises:
            FloatingPointError: if a loss since the last save is not finite; such weights are not kept.
        """
        curves.settle()
        older = self._found()
        with whole_folder(self.folder / f"step-{curves.steps:08d}") as folder:
            save_model(learner, str(folder / "weights.safetensors"))
            torch.save([optimiser.state_dict() for optimiser in optimisers], folder / "optimisers.pt")
            (folder / "curves.json").write_text(json.dumps(curves.rows), encoding="utf-8")
        for folder in older:
            shutil.rmtree(folder)
        self._last = time.perf_counter()

    def restore(self, learner: nn.Module, optimisers: Sequence[Optimizer]) -> Curves:
        """Load the newest checkpoint in place; without one, leave all as it is and begin new curves."""
        found = self._found()
        if not found:
            return Curves()
        load_model(learner, found[-1] / "weights.safetensors")
        states = torch.load(found[-1] / "optimisers.pt", map_location="cpu", weights_only=True)
        for optimiser, state in zip(optimisers, states, strict=True):
            optimiser.load_state_dict(state)
        return Curves(json.loads((found[-1] / "curves.json").read_text(encoding="utf-8")))

    def _found(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"))
