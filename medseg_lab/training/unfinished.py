"""Unfinished work on a disk that fails: what cannot be written is said, what cannot be read is done anew."""

import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

from safetensors import SafetensorError
from torch import nn
from torch.optim import Optimizer

from medseg_lab.data.obtain.disk import free, writing
from medseg_lab.data.wording import one_line
from medseg_lab.training.checkpoint import Checkpoints
from medseg_lab.training.curves import Curves

LEAST = 1_000_000
"""With fewer free bytes a disk counts as full, where the library that wrote does not tell."""


class SafeCheckpoints(Checkpoints):
    """Checkpoints of which a damaged one is a warning, and the training begins anew."""

    def save(self, learner: nn.Module, optimisers: Sequence[Optimizer], curves: Curves) -> None:
        """As `Checkpoints.save`.

        Raises:
            FloatingPointError: as there.
            RuntimeError: naming the folder, if it cannot be written; nothing half-written is left.
        """
        with whole_or_nothing(self.folder / f"step-{curves.steps:08d}"):
            super().save(learner, optimisers, curves)

    def restore(self, learner: nn.Module, optimisers: Sequence[Optimizer]) -> Curves:
        """As `Checkpoints.restore`; one that cannot be read is removed, and all is left as it was."""
        found = self._found()
        if not found:
            return Curves()
        weights = deepcopy(learner.state_dict())
        states = [deepcopy(optimiser.state_dict()) for optimiser in optimisers]
        try:
            curves = super().restore(learner, optimisers)
            if (steps := int(found[-1].name.partition("-")[2])) != curves.steps:
                raise ValueError(f"expected curves of {steps} steps, got {curves.steps}")
        except Exception as error:  # what the libraries raise for a damaged file is not bounded
            learner.load_state_dict(weights)
            for optimiser, state in zip(optimisers, states, strict=True):
                optimiser.load_state_dict(state)
            for folder in found:
                shutil.rmtree(folder)
            said = one_line(error)
            warnings.warn(f"{found[-1]}: damaged ({said}); this training begins anew", stacklevel=2)
            return Curves()
        return curves


@contextmanager
def whole_or_nothing(target: Path) -> Iterator[None]:
    """Inside, `target` is written by `whole_folder`; where that fails, no half of it stays.

    Raises:
        RuntimeError: naming the folder that holds it: a full disk, no permission, or what else was reported.
    """
    folder = target.parent
    try:
        with writing(folder):
            yield
    except BaseException as error:
        full = free(folder) < LEAST or "os error 28" in str(error)
        shutil.rmtree(folder / f".writing-{target.name}", ignore_errors=True)
        if isinstance(error, SafetensorError) or (full and isinstance(error, RuntimeError)):
            problem = "the disk is full" if full else f"it cannot be written ({one_line(error)})"
            raise RuntimeError(f"{folder}: {problem}") from error
        raise
