"""Uncertainty-aware multi-view co-training, Xia et al. [59] (survey 3.1)."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.inference.model_ensemble import member_variance
from medseg_lab.inference.sample import sample_case
from medseg_lab.rounds.planes import Planes
from medseg_lab.training.segmenter import Segmenter
from medseg_lab.uncertainty.mc_dropout import MCDropout, dropouts

FLOOR = 1e-3
"""Added to a variance, so that a view that never wavers does not outweigh another one without limit."""


class UMCT(Planes):
    """Each view learns what the other two say, weighted by their certainty; there is no further student.

    Each of the two others predicts an image several times with dropout left on. The mean of its predictions
    counts by the inverse of their variance, voxel by voxel (`certain_mean`).

    A training is that of one view; the views are joined at the end (`PlaneEnsemble`). Departures: the paper
    trains the three at once, 3D networks on turned volumes, and weighs with one number; here networks of
    slices are trained in rounds, as the other methods of section 3.1 are.

    It notes `agreed`, of the two others, and `swayed`: where they say different classes, the share of the
    voxels whose pseudo-label is not that of their plain mean.

    Args:
        passes: predictions with dropout.
        weighted: False counts both views alike.
        share, cases: a round of self-training's length, from few cases, since all three views have one, and
            predict each case several times.

    Raises:
        ValueError: if the network has no dropout.
    """

    passes: Annotated[int, Field(ge=2)] = 4
    weighted: bool = True
    share: Annotated[float, Field(gt=0, le=1)] = 1 / 6
    cases: Annotated[int, Field(ge=1)] = 10

    def build(self) -> None:
        """The network of one plane, which must have dropout."""
        super().build()
        if not dropouts(self.network):
            raise ValueError(f"UMCT: network: expected one with dropout, got {self.recipes['network']}")

    def taught(
        self, cases: Sequence[Case], teachers: Sequence[Segmenter], slice_axis: int
    ) -> tuple[Case, ...]:
        """As `Planes` do; notes where the weights decided."""
        self.decided = torch.zeros(2, dtype=torch.int64)
        found = super().taught(cases, teachers, slice_axis)
        swayed, disputed = self.decided.tolist()
        self.made |= {"swayed": swayed / max(disputed, 1)}
        return found

    def foretold(self, case: Case, teachers: Sequence[Segmenter], slice_axis: int) -> Tensor:
        """What the two other views say together, `(K, *S)`."""
        means, variances = [], []
        for other in teachers[1:]:
            # windows side by side: with an overlap a large slice takes twice as long
            drawn = sample_case(
                MCDropout(learner=other), case.image, self.passes, slice_axis=slice_axis, overlap=0.0
            )
            means.append(drawn.mean(dim=0))
            variances.append(member_variance(drawn))
        views = torch.stack(means)
        self.compare(views)
        plain = views.mean(dim=0)
        found = certain_mean(views, torch.stack(variances)) if self.weighted else plain
        first, second = views.argmax(dim=1)
        swayed = found.argmax(dim=0) != plain.argmax(dim=0)
        self.decided += torch.stack([swayed.sum(), (first != second).sum()]).cpu()
        return found


def certain_mean(views: Tensor, variances: Tensor) -> Tensor:
    """The mean of the views, each weighted by 1 / (its variance + `FLOOR`) at each voxel.

    Args:
        views: `(V, K, *S)`, class probabilities.
        variances: `(V, *S)`, of the predictions that each of them is the mean of.

    Returns:
        `(K, *S)`; they sum to 1 over K.
    """
    weights = 1 / (variances + FLOOR)
    weights = weights / weights.sum(dim=0)
    return (views * weights[:, None]).sum(dim=0)
