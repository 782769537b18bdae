"""How much of the way from few labels to all labels a method goes with few.

A quotient of two uncertain differences is uncertain twice, and where the lower one may be zero it can be
anything. So no share is given of a gap that is not surely there: its interval
(`medseg_lab.evaluation.crossed`) is to be above 0. How often a gap had shares, and how often the 95% interval
of a share then held the truth, in simulations (three seeds; 20 patients, on whom a method does better or
worse by 0.3 than on average, and a network by another 0.5):

| gap | trainings vary by 0.1: shares | held | by 0.2: shares | held | by 0.5: shares | held |
| --- | --- | --- | --- | --- | --- | --- |
| 2 | 100% | 100% | 98% | 95% | 71% | 88% |
| 1 | 98% | 99% | 83% | 97% | 35% | 97% |
| 0.6 | 70% | 98% | 45% | 96% | 16% | 90% |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medseg_lab.evaluation.comparison import Comparison
from medseg_lab.evaluation.wording import with_interval


@dataclass(frozen=True)
class Gap:
    """The distance between two methods, and where the others stand between them.

    Args:
        floor: the method that stands at 0: supervised on few labels.
        ceiling: the method that stands at 1: supervised on all labels.
        width: mean, low and high (95%) of the ceiling minus the floor.
        reason: why there are no shares; "" where there are.
        shares: one row a method but those two: share, low, high (95%); all NaN where there is a reason.
        digits: decimals that are worth printing of the metric.
    """

    floor: str
    ceiling: str
    width: Mapping[Any, float]
    reason: str
    shares: pd.DataFrame
    digits: int

    def texts(self) -> dict[str, str]:
        """A text for each method, as in "42% [10%, 70%]": a column of `medseg_lab.show.table.table`."""
        cells = {str(name): share_text(row) for name, row in self.shares.to_dict("index").items()}
        return {self.floor: "the floor", **cells, self.ceiling: "the ceiling"}

    def __str__(self) -> str:
        wide = with_interval(self.width, signed=True, digits=self.digits)
        said = f"{self.ceiling} minus {self.floor} is {wide}"
        return f"{said}: {self.reason}, so that there is no share of it." if self.reason else f"{said}."


def gap_closed(comparison: Comparison, ceiling: str, floor: str | None = None) -> Gap:
    """(method - floor) / (ceiling - floor) for each method, with its 95% interval.

    Numerator and denominator are redrawn together: a quotient has no interval in closed form. A redrawn gap
    that is not above zero gives no share: it counts as one beyond either end of the interval. A share may be
    below 0, worse than the floor, and above 1. Where lower is better, all differences change their sign, and
    the shares stay what they are.

    Args:
        comparison: of the methods with few labels, and the ceiling (`compare(..., across_labels=True)`).
        ceiling: the method with all labels.
        floor: the supervised method with few labels; by default the comparison's baseline.

    Returns:
        The shares; none where the gap's own 95% interval holds zero, or there is no such interval, or where
        too many redrawn gaps are not above zero for a share to have one.

    Raises:
        ValueError: for a method that the comparison does not hold, or a ceiling that is the floor.
    """
    floor = comparison.baseline if floor is None else floor
    if ceiling == floor:
        raise ValueError(f"ceiling: expected another method than the floor, got {ceiling!r}")
    low, high = comparison.of_patients(floor), comparison.of_patients(ceiling)
    width = comparison.paired([(ceiling, floor)])[["mean", "low", "high"]].iloc[0].to_dict()
    others = [name for name in comparison.methods if name not in (floor, ceiling)]
    shares = pd.DataFrame(np.nan, pd.Index(others, name="method"), ["share", "low", "high"])
    reason = _no_share(comparison, width)
    if not reason and others:
        sign, tail = -1 if comparison.lower_is_better else 1, comparison.resampling.tail()
        rises = sign * np.array([comparison.of_patients(name) - low for name in others])
        gap = sign * (high - low)
        redrawn = comparison.resampling.means(np.concatenate([gap[None], rises]))
        if (redrawn[0] <= 0).mean() >= tail:
            reason = "there may be no gap"
        else:
            shares["share"] = rises.mean(axis=(1, 2)) / gap.mean()
            shares[["low", "high"]] = ratios(redrawn[1:], redrawn[0], tail)
    return Gap(floor, ceiling, width, reason, shares, comparison.digits)


def ratios(rises: NDArray, gap: NDArray, tail: float) -> NDArray:
    """The intervals of rise / gap, `(rows, 2)`, where fewer than `tail` of the redrawn gaps are 0 or less.

    Args:
        rises: redrawn numerators, `(rows, draws)`.
        gap: the denominator in the same draws, `(draws,)`.
        tail: the share of the draws that an interval leaves out on either side.
    """
    sure = gap > 0
    found = rises / np.where(sure, gap, 1)
    low = np.quantile(np.where(sure, found, -np.inf), tail, axis=1, method="higher")
    high = np.quantile(np.where(sure, found, np.inf), 1 - tail, axis=1, method="lower")
    return np.stack([low, high], axis=1)


def share_text(row: Mapping[Any, float]) -> str:
    """ "42% [10%, 70%]"; "no sure gap" where there is no share."""
    if np.isnan(row["share"]):
        return "no sure gap"
    share, low, high = (f"{round(row[name], 2) + 0.0:.0%}" for name in ("share", "low", "high"))
    return f"{share} [{low}, {high}]".replace("-", "−")


def _no_share(comparison: Comparison, width: Mapping[Any, float]) -> str:
    """Why no method has a share of this gap, as the end of a sentence; "" where each has one."""
    if len(comparison.seeds) < 2:
        return "one seed cannot tell whether there is a gap"
    if np.isnan(width["low"]):
        return "one patient cannot tell whether there is a gap"
    worse, better = (
        (-width["high"], -width["low"]) if comparison.lower_is_better else (width["low"], width["high"])
    )
    if better < 0:
        return "the ceiling is worse than the floor"
    if worse <= 0:
        return "there may be no gap"
    return ""
