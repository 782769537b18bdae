"""Whether a map of uncertainty shows where the prediction is wrong (survey 4: what to have checked again)."""

from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SIDES: tuple[Literal["left"], Literal["right"]] = ("left", "right")
TINY = 1e-12


def error_auroc(uncertainty: Tensor, wrong: Tensor) -> float:
    """The odds that a wrong voxel is more uncertain than a right one; ties count half.

    The area under the ROC curve of finding errors. 0.5 is chance. It asks for the order alone, and forgives a
    prediction that is wrong everywhere alike: read it beside the error itself.

    Args:
        uncertainty: `(*S)`, higher is less certain.
        wrong: `(*S)`, bool.

    Returns:
        0 to 1. Where nothing is wrong there is nothing to find, 1; where all is wrong, 0.5.

    Raises:
        ValueError: if shapes disagree, or an uncertainty is not a number.
    """
    every, faults = _in_order(uncertainty, wrong)
    if not len(faults):
        return 1.0
    if len(faults) == len(every):
        return 0.5
    below, through = (int(np.searchsorted(every, faults, side).sum()) for side in SIDES)
    # The sum of ranks among all voxels, less that of the wrong ones among themselves: Mann and Whitney's U.
    pairs = (below + through - len(faults) ** 2) / 2
    return pairs / (len(faults) * (len(every) - len(faults)))


class Retention(NamedTuple):
    """What is wrong among the voxels that are kept: a curve.

    Handing voxels over at random would leave the error as it is: a level line at `error[-1]`.

    Attributes:
        kept: `(P,)`, the share of voxels kept, 0 to 1.
        error: `(P,)`, the error rate among them. At 0, the limit: that of the most certain.
    """

    kept: Tensor
    error: Tensor

    @property
    def area(self) -> float:
        """Under the curve, by the trapezoid rule (AURC); lower is better."""
        return float(torch.trapezoid(self.error, self.kept))


def error_retention(uncertainty: Tensor, wrong: Tensor, points: int = 101) -> Retention:
    """The error rate among those kept, when the most uncertain voxels go to an expert first (risk-coverage).

    Voxels of one uncertainty go in any order, and the curve is the mean over these orders; so a constant map
    is as good as chance. Between two whole numbers of voxels, a fraction of one is kept.

    Args:
        uncertainty: `(*S)`, higher is less certain.
        wrong: `(*S)`, bool.
        points: P, evenly spaced from nothing kept to everything.

    Raises:
        ValueError: if shapes disagree, an uncertainty is not a number, or for fewer than 2 points.
    """
    if points < 2:
        raise ValueError(f"points: got {points}, wanted 2 or more")
    every, faults = _in_order(uncertainty, wrong)
    kept = np.linspace(0, 1, points)
    count = kept * len(every)
    # The last voxel kept; how many are more certain than it, and how many as certain or more.
    last = every[np.maximum(np.ceil(count).astype(int) - 1, 0)]
    start, end = (np.searchsorted(every, last, side) for side in SIDES)
    wrong_at_start, wrong_at_end = (np.searchsorted(faults, last, side) for side in SIDES)
    rate = (wrong_at_end - wrong_at_start) / (end - start)
    error = np.where(count > 0, (wrong_at_start + (count - start) * rate) / np.maximum(count, TINY), rate)
    return Retention(torch.from_numpy(kept), torch.from_numpy(error))


def oracle(wrong: Tensor, points: int = 101) -> Retention:
    """The best curve there is: errors are handed over first.

    Args:
        wrong: `(*S)`, bool.
        points: P, as in `error_retention`.

    Raises:
        ValueError: as `error_retention` does.
    """
    return error_retention(wrong.float(), wrong, points)


def _in_order(uncertainty: Tensor, wrong: Tensor) -> tuple[NDArray, NDArray]:
    """The uncertainties of all voxels and of those that are wrong, each sorted."""
    if uncertainty.shape != wrong.shape or not wrong.numel():
        shapes = f"{tuple(uncertainty.shape)} beside {tuple(wrong.shape)}"
        raise ValueError(f"uncertainty, wrong: got shapes {shapes}, wanted one, with something in it")
    if wrong.dtype != torch.bool:
        raise ValueError(f"wrong: got {wrong.dtype}, wanted bool")
    if uncertainty.isnan().any():
        raise ValueError("uncertainty: got nan, wanted numbers")
    # NumPy's sort takes a fifth of the time of PyTorch's on a processor.
    every, faults = (np.sort(each.flatten().cpu().numpy()) for each in (uncertainty, uncertainty[wrong]))
    return every, faults
