"""What a learner was on the way."""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lightning_fabric import Fabric

from medseg_lab.training.begin import begin
from medseg_lab.training.budget import Budget
from medseg_lab.training.checkpoint import Checkpoints
from medseg_lab.training.device import make_fabric, reproducible
from medseg_lab.training.learner import Learner
from medseg_lab.training.loop import train
from medseg_lab.training.recipe import Recipe

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort


def watched(
    recipe: Recipe,
    cohort: "Cohort",
    budget: Budget,
    seed: int,
    steps: Sequence[int],
    fabric: Fabric | None = None,
    threads: int = 1,
) -> dict[int, Learner]:
    """The learner after each number of `steps`, in the training that `fit` runs: to the same bits.

    It is trained anew, since a run keeps its last weights alone, and is neither judged nor stored.

    Args:
        recipe, cohort, budget, seed, fabric, threads: as in `fit`; a recipe that changes a trained learner is
            refused.
        steps: 1 to the budget's steps.

    Raises:
        ValueError: for a step outside the training, or a recipe that trains nothing.
    """
    if recipe.changes:
        raise ValueError(
            f"recipe: expected one that trains, got {recipe.target}, which changes a trained learner"
        )
    if outside := [n for n in steps if not 1 <= n <= budget.steps]:
        raise ValueError(f"steps: expected 1 to {budget.steps}, got {outside[0]}")
    fabric = fabric or make_fabric()
    kept: dict[int, Learner] = {}
    with TemporaryDirectory() as folder, reproducible(fabric.device, threads):
        learner, batches = begin(recipe, cohort, budget, seed, fabric)

        def keep(step: int) -> None:
            if step + 1 in steps:
                copy = deepcopy(learner)
                copy.forget()
                copy.patch, copy.precision = batches.patch, str(fabric.strategy.precision.precision)
                kept[step + 1] = copy.eval()

        checkpoints = Checkpoints(Path(folder), float("inf"))
        train(learner, batches, budget, seed, fabric, checkpoints, watch=keep)
    return kept
