"""How far an order of methods can be trusted: ranked anew on redrawn seeds and patients.

As challengeR does for challenges (Wiesenfarth et al. 2021, Scientific Reports 11, 2369), with one addition: a
challenge has one set of predictions from each team, so it redraws cases; here trainings are redrawn, too
(`medseg_lab.evaluation.statistics`). It is a display: what decides is the model of `crossed`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medseg_lab.evaluation.statistics import Resampling

DECIMALS = 10
"""Means that agree to so many decimals share a rank: below this is the noise of summation."""


@dataclass(frozen=True)
class Ranking:
    """Methods by their mean, and what becomes of their ranks when seeds and patients are redrawn.

    Args:
        table: one row a method, best first: mean, rank (observed; equal means share the mean of their ranks),
            low and high (95% interval of the rank), best (share of resamples in which it comes first; those
            that come first together share it).
        shares: method by rank 1 to M: the share of resamples in which the method has the rank; a rank of 1.5
            counts half for 1 and half for 2.
        kendall: Kendall's tau-b between the observed order and a redrawn one, on average: 1 where the order
            never changes, about 0 where it is chance.
        title: the metric as a reader knows it.
        seeds, patients: how many were redrawn.

    With one patient, or one method, all but mean and rank are missing.
    """

    table: pd.DataFrame
    shares: pd.DataFrame
    kendall: float
    title: str
    seeds: int
    patients: int

    @property
    def methods(self) -> tuple[str, ...]:
        """Their names, best first."""
        return tuple(self.table.index)

    @property
    def told(self) -> bool:
        """Whether the order could change at all: several methods, several patients."""
        return self.patients > 1 and len(self.table) > 1

    def describe(self) -> str:
        """What is first, how surely, and what was redrawn: for a caption."""
        if len(self.table) == 1:
            return "One method has no rank among others."
        if self.patients == 1:
            return "One patient cannot tell how stable a ranking is."
        top = self.table[self.table["rank"] == self.table["rank"].min()]
        share, names = top["best"].sum(), " and ".join(top.index)
        first = f"{names} {'comes' if len(top) == 1 else 'come'} first in {share:.0%} of resamples"
        if not np.isnan(self.kendall):
            first += f"; Kendall's tau between this order and a redrawn one is {self.kendall:.2f}, on average"
        redrawn = "patients and seeds" if self.seeds > 1 else "patients"
        said = f"Ranked by mean {self.title}, {redrawn} redrawn. {first}."
        if self.seeds == 1:
            said += " One seed: how the order would change with other trainings is not covered."
        return said

    def __str__(self) -> str:
        return self.describe()


def rank_stability(
    values: NDArray, methods: Sequence[str], resampling: Resampling, title: str, lower_is_better: bool
) -> Ranking:
    """How stable the order of methods is.

    Ranks go by the mean over seeds and patients, 1 for the best. The interval of a rank leaves out as little
    on either side as `Resampling.tail` says, and ends at ranks that occurred.

    Args:
        values: `(methods, seeds, patients)`.
        methods: their names.
        resampling: of these seeds and patients.
        title: the metric as a reader knows it.
        lower_is_better: True for distances and errors.
    """
    order = 1 if lower_is_better else -1
    means = values.mean(axis=(1, 2))
    observed = _ranks(order * means)
    names = pd.Index(methods, name="method")
    table = pd.DataFrame(
        {"mean": means, "rank": observed, "low": np.nan, "high": np.nan, "best": np.nan}, names
    )
    shares = pd.DataFrame(np.nan, names, pd.RangeIndex(1, len(names) + 1, name="rank"))
    kendall = float("nan")
    if resampling.n_patients > 1 and len(names) > 1:
        drawn, tail = _ranks(order * resampling.means(values)), resampling.tail()
        table["low"] = np.quantile(drawn, tail, axis=1, method="lower")
        table["high"] = np.quantile(drawn, 1 - tail, axis=1, method="higher")
        shares[:] = _shares(drawn)
        table["best"] = shares[1]
        kendall = _kendall(observed, drawn)
    table = table.sort_values("rank", kind="stable")
    shares = shares.loc[table.index]
    return Ranking(table, shares, kendall, title, resampling.n_seeds, resampling.n_patients)


def _ranks(values: NDArray) -> NDArray:
    """Ranks over the first axis, from 1 for the smallest; equal ones get the mean of theirs."""
    from scipy.stats import rankdata

    return rankdata(np.round(values, DECIMALS), axis=0)


def _shares(drawn: NDArray) -> NDArray:
    """`(methods, ranks)`: how often each method has each rank; a shared rank is split over those it spans."""
    tied = np.sum([drawn == other for other in drawn], axis=0)
    first = drawn - (tied - 1) / 2
    held = [((first <= place) & (place < first + tied)) / tied for place in range(1, len(drawn) + 1)]
    return np.stack([share.mean(axis=1) for share in held], axis=1)


def _kendall(observed: NDArray, drawn: NDArray) -> float:
    """Mean of Kendall's tau-b between `observed` (methods) and each column of `drawn` (methods, draws).

    `scipy.stats.kendalltau` for all draws at once. A draw in which all methods are alike has no order, and
    is left out.
    """
    one, two = np.triu_indices(len(observed), 1)
    first, second = np.sign(observed[one] - observed[two]), np.sign(drawn[one] - drawn[two])
    decided = np.abs(first).sum() * np.abs(second).sum(axis=0)
    if not decided.any():
        return float("nan")
    tau = (first @ second)[decided > 0] / np.sqrt(decided[decided > 0])
    return float(tau.mean())
