"""Networks for the three planes of a volume, which teach one another (survey 3.1 [59, 60])."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.inference.plane_ensemble import agreement
from medseg_lab.rounds.rounds import Rounds
from medseg_lab.training.recipe import Recipe
from medseg_lab.training.segmenter import Segmenter

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort

PLANES = (0, 1, 2)


class Planes(Rounds):
    """A learner of slices in one plane of a volume, whose teachers are networks for all three planes.

    They see the same voxels in other neighbourhoods: slices across each axis are the views of co-training.
    A round rests on the round before in every plane, and goes on from the weights of its own plane's network.
    Round 0 is the supervised twin in each plane.

    It notes how far the views `agreed` (`agreement`), as the mean over the cases.

    Args:
        rounds, share, cases: one round of half as many steps as the first training has, as many as three
            rounds of self-training; half as many cases, since each is predicted in three planes.

    Raises:
        ValueError: for a learner of volumes, or data that have no volumes.
    """

    rounds: Annotated[int, Field(ge=0)] = 1
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    cases: Annotated[int, Field(ge=1)] = 30

    @classmethod
    def teachers(cls, arguments: Mapping[str, Any]) -> Sequence[Recipe]:
        """The round before in its own plane, then in the two others, in their order."""
        left, own = cls.asked(arguments, "rounds"), cls.asked(arguments, "plane")
        planes = [own, *(plane for plane in PLANES if plane != own)]
        if not isinstance(left, int) or left < 1:
            return []
        return [cls.before({**arguments, "plane": plane}, left) for plane in planes]

    def build(self) -> None:
        """The network of one plane."""
        super().build()
        if self.task.spatial_dims != 2:
            raise ValueError(
                f"{type(self).__name__}: spatial_dims: expected 2, slices of volumes, "
                f"got {self.task.spatial_dims}"
            )

    def learn_from(self, cohort: "Cohort", teachers: Sequence[Segmenter]) -> "Cohort":
        """As `Rounds` do."""
        if cohort.task.spatial_dims != 3:
            raise ValueError(f"{type(self).__name__} needs volumes, which have three planes, not slices.")
        return super().learn_from(cohort, teachers)

    def taught(
        self, cases: Sequence[Case], teachers: Sequence[Segmenter], slice_axis: int
    ) -> tuple[Case, ...]:
        """As `Rounds` do; notes how far the views agreed."""
        self.agreements: list[float] = []
        found = super().taught(cases, teachers, slice_axis)
        self.made |= {"agreed": sum(self.agreements) / max(len(self.agreements), 1)}
        return found

    def compare(self, views: Tensor) -> None:
        """Note how far the views `(V, K, *S)` of a case agree."""
        if (share := agreement(views)) is not None:
            self.agreements.append(share)
