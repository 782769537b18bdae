"""What a training step costs on this machine, in seconds."""

import math
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from medseg_lab.training.begin import begin
from medseg_lab.training.budget import Budget
from medseg_lab.training.checkpoint import Checkpoints
from medseg_lab.training.device import make_fabric, reproducible
from medseg_lab.training.loop import train
from medseg_lab.training.recipe import Recipe

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort


class _Enough(Exception):
    """Ends a training that is only timed."""


def step_seconds(recipe: Recipe, cohort: "Cohort", budget: Budget, most: float = 2.0) -> float:
    """Seconds of a step of the training loop: the shortest one after the first.

    On the CPU they are those of the processor, on one thread: whatever else the machine does at this moment.

    Args:
        recipe, cohort, budget: as of a training; nothing of it is kept.
        most: seconds after which no further step begins, once there are two.
    """
    fabric, ends = make_fabric(), list[float]()
    clock = time.process_time if fabric.device.type == "cpu" else time.perf_counter

    def mark(step: int) -> None:
        ends.append(clock())
        if len(ends) > 1 and time.perf_counter() - began > most:
            raise _Enough

    with TemporaryDirectory() as folder, reproducible(fabric.device):
        began = time.perf_counter()
        learner, batches = begin(recipe, cohort, budget, 0, fabric)
        with suppress(_Enough):
            train(learner, batches, budget, 0, fabric, Checkpoints(Path(folder), math.inf), watch=mark)
    return min(after - before for before, after in pairwise(ends))
