"""Whether an uncertainty map shows where the prediction is wrong (survey 4: what an expert should check)."""

from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SIDES: tuple[Literal["left"], Literal["right"]] = ("left", "right")
TINY = 1e-12


def error_auroc(uncertainty: Tensor, wrong: Tensor) -> float:
    """The probability that a wrong voxel is more uncertain than a right one; ties count half.

    The area under the ROC curve of error detection; 0.5 is chance. It depends only on the order of the
    uncertainties, not on how many voxels are wrong: read it together with the error rate.

    Args:
        uncertainty: `(*S)`, higher is more uncertain.
        wrong: `(*S)`, bool.

    Returns:
        0 to 1; 1 where no voxel is wrong (there is no error to find), 0.5 where all are.

    Raises:
        ValueError: if shapes disagree, or an uncertainty is nan.
    """
    every, errors = _sorted(uncertainty, wrong)
    if not len(errors):
        return 1.0
    if len(errors) == len(every):
        return 0.5
    lower, not_higher = (int(np.searchsorted(every, errors, side).sum()) for side in SIDES)
    # The Mann-Whitney U: pairs of a wrong voxel with any voxel, less the pairs of wrong voxels.
    pairs = (lower + not_higher - len(errors) ** 2) / 2
    return pairs / (len(errors) * (len(every) - len(errors)))


class Retention(NamedTuple):
    """The error rate among the voxels that are kept, as a curve.

    Removing voxels at random would leave the error rate unchanged: a horizontal line at `error[-1]`.

    Attributes:
        kept: `(P,)`, the share of voxels kept, 0 to 1.
        error: `(P,)`, the error rate among them; at 0, the limit: that of the most certain voxels.
    """

    kept: Tensor
    error: Tensor

    @property
    def area(self) -> float:
        """The area under the curve by the trapezoid rule (AURC); lower is better."""
        return float(torch.trapezoid(self.error, self.kept))


def error_retention(uncertainty: Tensor, wrong: Tensor, points: int = 101) -> Retention:
    """The error rate among the voxels kept, if an expert takes the most uncertain first (risk-coverage).

    Where voxels have equal uncertainty, the curve is the mean over their orders, so a constant map is as good
    as chance. Where the share kept is not a whole number of voxels, a fraction of one voxel is kept.

    Args:
        uncertainty: `(*S)`, higher is more uncertain.
        wrong: `(*S)`, bool.
        points: P, evenly spaced shares kept from 0 to 1.

    Raises:
        ValueError: if shapes disagree, an uncertainty is nan, or for fewer than 2 points.
    """
    if points < 2:
        raise ValueError(f"points: expected 2 or more, got {points}")
    every, errors = _sorted(uncertainty, wrong)
    kept = np.linspace(0, 1, points)
    count = kept * len(every)
    # The last voxel kept: how many voxels are less uncertain than it, and how many are not more uncertain.
    last = every[np.maximum(np.ceil(count).astype(int) - 1, 0)]
    start, end = (np.searchsorted(every, last, side) for side in SIDES)
    wrong_at_start, wrong_at_end = (np.searchsorted(errors, last, side) for side in SIDES)
    rate = (wrong_at_end - wrong_at_start) / (end - start)
    error = np.where(count > 0, (wrong_at_start + (count - start) * rate) / np.maximum(count, TINY), rate)
    return Retention(torch.from_numpy(kept), torch.from_numpy(error))


def oracle(wrong: Tensor, points: int = 101) -> Retention:
    """The best possible curve: the expert takes all errors first. Arguments as in `error_retention`."""
    return error_retention(wrong.float(), wrong, points)


def _sorted(uncertainty: Tensor, wrong: Tensor) -> tuple[NDArray, NDArray]:
    """The uncertainties of all voxels, and of the wrong ones, each sorted."""
    if uncertainty.shape != wrong.shape or not wrong.numel():
        shapes = f"{tuple(uncertainty.shape)} and {tuple(wrong.shape)}"
        raise ValueError(f"uncertainty and wrong: expected one non-empty shape, got {shapes}")
    if wrong.dtype != torch.bool:
        raise ValueError(f"wrong: expected bool, got {wrong.dtype}")
    if uncertainty.isnan().any():
        raise ValueError("uncertainty: expected numbers, got nan")
    # NumPy's sort takes a fifth of the time of PyTorch's on a CPU.
    every, errors = (np.sort(each.flatten().cpu().numpy()) for each in (uncertainty, uncertainty[wrong]))
    return every, errors
