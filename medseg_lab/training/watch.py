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
from medseg_lab.training.segmenter import Segmenter

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
    teachers: Sequence[Segmenter] | None = None,
) -> dict[int, Learner]:
    """The learner after each number of `steps`, in the training that `fit` runs: to the same bits.

    It is trained anew, since a run keeps its last weights alone, and is neither judged nor stored.

    Args:
        recipe, cohort, budget, seed, fabric, threads: as in `fit`; a recipe that changes a trained learner is
            refused.
        steps: 1 to those of the training.
        teachers: the trained learners of the recipe's bases, where they are there, such as those of a run;
            None trains them, too.

    Raises:
        ValueError: for a step outside the training, or a recipe that trains nothing.
    """
    if recipe.changes:
        raise ValueError(
            f"recipe: expected one that trains, got {recipe.target}, which changes a trained learner"
        )
    fabric = fabric or make_fabric()
    with reproducible(fabric.device, threads):
        return _watched(recipe, cohort, budget, seed, steps, fabric, teachers)


def _watched(
    recipe: Recipe,
    cohort: "Cohort",
    budget: Budget,
    seed: int,
    steps: Sequence[int] | None,
    fabric: Fabric,
    teachers: Sequence[Segmenter] | None = None,
) -> dict[int, Learner]:
    """As `watched`; None stands for the last step."""
    if teachers is None:
        teachers = [_ended(base, cohort, budget, seed, fabric) for base in recipe.bases]
    learner, batches = begin(recipe, cohort, budget, seed, fabric, teachers)
    last = learner.steps_within(budget.steps)
    steps = [last] if steps is None else steps
    if outside := [n for n in steps if not 1 <= n <= last]:
        raise ValueError(f"steps: expected 1 to {last}, got {outside[0]}")
    kept: dict[int, Learner] = {}

    def keep(step: int) -> None:
        if step + 1 in steps:
            copy = deepcopy(learner)
            copy.forget()
            copy.patch, copy.precision = batches.patch, str(fabric.strategy.precision.precision)
            kept[step + 1] = copy.eval()

    with TemporaryDirectory() as folder:
        train(learner, batches, budget, seed, fabric, Checkpoints(Path(folder), float("inf")), watch=keep)
    return kept


def _ended(recipe: Recipe, cohort: "Cohort", budget: Budget, seed: int, fabric: Fabric) -> Segmenter:
    """The learner at the end of its training, or joined of others at the end of theirs."""
    if recipe.changes:
        found: Segmenter = recipe.change(
            [_ended(base, cohort, budget, seed, fabric) for base in recipe.bases]
        )
        return found
    (learner,) = _watched(recipe, cohort, budget, seed, None, fabric).values()
    return learner
