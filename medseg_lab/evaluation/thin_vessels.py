"""Score how much of the thin vessels is found (sections 1 and 2.1.4)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.evaluation.judge import Judge
from medseg_lab.training.label_maps import LabelMap

if TYPE_CHECKING:
    from medseg_lab.data.cohort import Cohort
    from medseg_lab.training.segmenter import Segmenter


class ThinVesselJudge(Judge):
    """Scores as `Judge` does, with the share of the thin vessels that was found: a column `thin_recall`.

    Args:
        parts, tolerance: as in `Judge`.
        width: pixels; vessels up to so wide are thin (`thin`).

    Raises:
        ValueError: for an unknown part, or a width below 1.
    """

    def __init__(
        self, parts: Sequence[str] = ("validation",), tolerance: float = 1.0, width: float = 5.0
    ) -> None:
        super().__init__(parts, tolerance)
        if not width >= 1:
            raise ValueError(f"width: expected 1 pixel or more, got {width}")
        self.width = width

    def table(self, learner: "Segmenter", cohort: "Cohort", cases: Sequence[Case]) -> pd.DataFrame:
        """The table of `Judge`, with a column `thin_recall`."""
        table = super().table(learner, cohort, cases)
        found = [
            thin_recall(self.label_maps[case.id], case.label.cpu().numpy(), k, self.width)
            for case in cases
            for k in range(1, len(cohort.task.classes))
        ]
        return table.assign(thin_recall=found)


def thin_recall(prediction: LabelMap, label: NDArray, k: int, width: float) -> float:
    """The share of the pixels of the reference's thin vessels that a prediction has; NaN without any.

    Args:
        prediction, label: `(*S)`, classes. What the reference leaves open (`IGNORE`) is no vessel.
        k: the class of vessels.
        width: as of `thin`.
    """
    wanted = thin((label == k) & (label != IGNORE), width)
    return float((prediction[wanted] == k).mean()) if wanted.any() else np.nan


def thin(mask: NDArray[np.bool_], width: float) -> NDArray[np.bool_]:
    """The voxels of a mask `(*S)` where it is at most so many voxels wide.

    The local width is that of the nearest voxel of the centre line (scikit-image's `skeletonize`): with
    distance d from there to the nearest voxel outside, 2 d - 1. A line 1, 3 or 5 voxels wide has this width;
    even widths count as the odd one below.
    """
    from skimage.morphology import skeletonize

    if not mask.any():
        return mask
    inside = np.pad(mask, 1)  # beyond the image is outside
    line = skeletonize(inside).astype(bool)
    nearest = distance_transform_edt(~line, return_distances=False, return_indices=True)
    local = (2 * distance_transform_edt(inside) - 1)[tuple(nearest)]
    found: NDArray[np.bool_] = (inside & (local <= width))[(slice(1, -1),) * mask.ndim]
    return found
