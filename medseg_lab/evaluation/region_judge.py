"""Score regions, unions of classes as challenges define them, in place of classes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.evaluation.judge import Judge, predictor, segmented, with_references
from medseg_lab.evaluation.metrics import diagonal, score
from medseg_lab.evaluation.objects import object_f1
from medseg_lab.training.label_maps import LabelMap

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort
    from medseg_lab.training.segmenter import Segmenter


class RegionJudge(Judge):
    """Scores as `Judge` does, each region as a mask of its own: one row a case and region.

    A learner still learns and predicts classes; a voxel is in a region if its class is. Regions may overlap,
    as nested ones do. The label maps that are kept hold classes.

    Args:
        names: of the regions.
        members: the classes of each, as indices.
        parts, tolerance: as in `Judge`.

    Raises:
        ValueError: for an unknown part, or names and members that are not equally many.
    """

    def __init__(
        self,
        names: Sequence[str],
        members: Sequence[Sequence[int]],
        parts: Sequence[str] = ("validation",),
        tolerance: float = 1.0,
    ) -> None:
        super().__init__(parts, tolerance)
        if not names or len(names) != len(members):
            raise ValueError(
                f"members: expected the classes of each of {len(names)} regions, got {list(members)}"
            )
        self.regions = dict(zip(names, map(tuple, members), strict=True))

    def __call__(self, learner: "Segmenter", cohort: "Cohort") -> pd.DataFrame:
        """`table` of each part, as of `Judge`; `rarest_dice` is that of the region with the fewest voxels."""
        table, rarest = super().__call__(learner, cohort), self._rarest(cohort.labelled)
        return table.assign(rarest_dice=table["dice"].where(table["class"] == rarest))

    def table(self, learner: "Segmenter", cohort: "Cohort", cases: Sequence[Case]) -> pd.DataFrame:
        """The table of `evaluate` with regions as classes; inner_dice is of those inside a larger one."""
        inner = {
            name
            for name, one in self.regions.items()
            if any(set(one) < set(o) for o in self.regions.values())
        }
        rows = []
        for case, prediction in segmented(predictor(learner, cohort), with_references(learner, cases)):
            self.label_maps[case.id] = prediction
            label = case.label.cpu().numpy()
            for name, members in self.regions.items():
                values = region_scores(prediction, label, members, case.spacing, self.tolerance)
                values["inner_dice"] = values["dice"] if name in inner else np.nan
                rows.append({"case": case.id, "patient": case.patient, "class": name, **values})
        return pd.DataFrame(rows)

    def _rarest(self, cases: Sequence[Case]) -> str:
        """The region with the fewest voxels in all cases together, of those that occur at all."""
        counts = np.zeros(IGNORE + 1, dtype=int)
        for case in cases:
            counts += np.bincount(case.label.cpu().numpy().ravel(), minlength=len(counts))
        return min(self.regions, key=lambda name: counts[list(self.regions[name])].sum() or np.inf)


def region_scores(
    prediction: LabelMap,
    label: NDArray,
    members: Sequence[int],
    spacing: Sequence[float] | None,
    tolerance: float = 1.0,
) -> dict[str, float]:
    """How alike a region is in two label maps; NaN if it is neither there nor predicted.

    Args:
        prediction: `(*S)`, classes.
        label: `(*S)`, classes, or `IGNORE`, where nothing counts.
        members: the region's classes.
        spacing: mm along each axis, or None where it is not known.
        tolerance: mm, for the normalised surface Dice.

    Returns:
        All metrics that the spacing allows (`medseg_lab.evaluation.metrics`) and object_f1; with a spacing
        diagonal, without one nsd_pixels.
    """
    inside = np.isin(prediction, members).astype(np.uint8)
    there = np.where(label == IGNORE, IGNORE, np.isin(label, members)).astype(np.uint8)
    (values,) = score(inside, there, 2, spacing, tolerance=tolerance)
    (values["object_f1"],) = object_f1(inside, there, 2)
    if spacing is not None:
        return values | {"diagonal": diagonal(label.shape, spacing)}
    (near,) = score(inside, there, 2, (1.0,) * label.ndim, metrics=("nsd",), tolerance=1.0)
    return values | {"nsd_pixels": near["nsd"]}
