"""How much is spent on a run."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, PositiveInt


class Budget(BaseModel):
    """The cost of one training, and of a comparison of several.

    A step sees the same number of voxels whatever the dimension: a 2D learner gets as many slices as fill the
    3D learner's patches. So 2D and 3D are compared at one price.

    Attributes:
        steps: optimiser steps of one run.
        voxels: voxels (pixels in 2D) that one step sees, over its whole batch.
        patch: longest patch edge, in voxels; a patch is never larger than the card's.
        cases: at most so many cases of the data set are used, over all parts, or those of the fewest patients
            that can be split (`data.splits.fewest`); None means all.
        seeds: trainings a method gets in a comparison.
        checkpoint_seconds: a killed run loses at most so much work.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["smoke", "class", "full", "custom"] = "custom"
    steps: PositiveInt
    voxels: PositiveInt
    patch: PositiveInt
    cases: PositiveInt | None = None
    seeds: PositiveInt = 2
    checkpoint_seconds: float = 20.0

    def divided(self, by: int) -> "Budget":
        """The same with a share of the voxels in each step: for a lesson that trains many methods."""
        return self.model_copy(update={"voxels": max(1, self.voxels // by)})


BUDGETS = {
    "smoke": Budget(name="smoke", steps=3, voxels=24**3, patch=24, cases=5, seeds=2),
    "class": Budget(name="class", steps=300, voxels=100_000, patch=64, cases=300, seeds=2),
    "full": Budget(name="full", steps=20_000, voxels=4 * 64**3, patch=96, cases=None, seeds=5),
}


def budget(name: str) -> Budget:
    """The budget called `name`.

    Raises:
        ValueError: naming the known budgets.
    """
    if name not in BUDGETS:
        raise ValueError(f"budget: expected one of {', '.join(BUDGETS)}, got {name!r}")
    return BUDGETS[name]
