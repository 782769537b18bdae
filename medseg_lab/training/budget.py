"""How much is spent on a run."""

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, PositiveInt

if TYPE_CHECKING:
    from medseg_lab.survey.terms import Terms


class Budget(BaseModel):
    """The cost of one training, and of a comparison of several.

    A step sees whole patches, as many as fill `voxels` and at least one, whatever the dimension: 2D and 3D
    are compared at one price as far as their patches allow. What a run really saw is in its record (`seen`).

    Attributes:
        steps: optimiser steps of one run.
        voxels: voxels (pixels in 2D) that one step sees, over its whole batch.
        patch: longest edge of a volume's patch, in voxels, which is never larger than the card's. Slices are
            limited by the card alone: a crop that lacks the surroundings teaches a network to find too much.
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


def budget_on(budget: Budget, terms: "Terms | None", steps: int = 0, voxels: int = 0) -> Budget:
    """A budget on a section's own terms, if any, and then on what was asked for; 0 asks for nothing."""
    own = terms.model_dump(include={"steps", "voxels", "patch"}) if terms else {}
    asked = {name: value for name, value in {"steps": steps, "voxels": voxels}.items() if value}
    return budget.model_copy(update=own | (asked | {"name": "custom"} if asked else {}))
