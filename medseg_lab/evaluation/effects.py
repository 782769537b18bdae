"""How far the two sides of a claim are apart, and how surely."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medseg_lab.evaluation.comparison import compare
from medseg_lab.survey.claims import Claim
from medseg_lab.training.budget import BUDGETS


@dataclass(frozen=True)
class Terms:
    """On what terms two sides were compared.

    Args:
        dataset: its id.
        budget: its name.
        steps, voxels: what one training spent, in steps of so many voxels.
        part: which cases: "validation", "test"; "" for a measure of runs.
        labelled: patients whose labels the better and the worse side used.
    """

    dataset: str
    budget: str
    steps: int
    voxels: int
    part: str
    labelled: tuple[int, int]

    @property
    def proves_nothing(self) -> bool:
        """Whether so little was spent that it shows no more than that everything runs."""
        smoke = BUDGETS["smoke"]
        return self.budget == "smoke" or self.steps * self.voxels <= smoke.steps * smoke.voxels


@dataclass(frozen=True)
class Effect:
    """What the runs of both sides say.

    Args:
        claim: whose sides they are.
        terms: on which they were compared.
        value: how much better `claim.better` is: positive for better, whatever the direction. In the
            metric's unit; for a measure of runs as a share of `claim.worse`.
        low, high: its 95% interval, NaN where there is none.
        p: that there is no difference; NaN where nothing was tested.
        agree: whether all seeds have the sign of the mean.
        seeds, cases: how many it rests on; no cases for a measure of runs.
    """

    claim: Claim
    terms: Terms
    value: float
    low: float
    high: float
    p: float
    agree: bool
    seeds: int
    cases: int = 0


def case_effect(claim: Claim, terms: Terms, better: pd.DataFrame, worse: pd.DataFrame) -> Effect:
    """The effect on a metric of cases, paired by case and seed.

    Args:
        claim: its metric and direction count.
        terms: of both sides.
        better, worse: the cases of one part with a column `seed`, as `medseg_lab.evaluation.comparison`
            reads them.

    Raises:
        ValueError: where they cannot be paired, or the metric was not measured on every case.
    """
    compared = compare({"better": better, "worse": worse}, claim.metric, part=terms.part)
    (row,) = compared.paired([("better", "worse")]).to_dict("records")
    value, low, high = row["mean"], row["low"], row["high"]
    if claim.direction == "lower":
        value, low, high = -value, -high, -low
    return Effect(
        claim=claim,
        terms=terms,
        value=value,
        low=low,
        high=high,
        p=row["p"],
        agree=row["agree"],
        seeds=len(compared.seeds),
        cases=len(compared.cases),
    )


def run_effect(claim: Claim, terms: Terms, better: NDArray, worse: NDArray) -> Effect:
    """The effect on a measure of runs, as a share of the worse side, paired by seed.

    Costs differ by factors, so it is the logarithm of their ratio that is averaged over the seeds, with
    Student's interval and p. An exact measure is not estimated: its interval is a point, and there is no p.

    Args:
        claim: its metric and direction count.
        terms: of both sides.
        better, worse: `(seeds,)`, positive, seed by seed.
    """
    from scipy import stats

    logs = np.log(better / worse)
    mean, n = float(logs.mean()), len(logs)
    low = high = mean
    p = float("nan")
    if not claim.measure.exact:
        error = logs.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
        reach = stats.t.ppf(0.975, n - 1) * error if n > 1 else np.nan
        low, high = mean - reach, mean + reach
        p = _student(mean, error, n)
    ends = [_share(log, claim.direction) for log in (mean, low, high)]
    value, low, high = ends[0], min(ends[1:]), max(ends[1:])
    agree = bool((np.sign(logs) == np.sign(mean)).all())
    return Effect(claim, terms, value, low, high, p, agree, seeds=n)


def _share(log: float, direction: str) -> float:
    """By how large a share of the other side one side is better, from the log of their ratio."""
    return float(np.expm1(log) if direction == "higher" else -np.expm1(log))


def _student(mean: float, error: float, n: int) -> float:
    """The two-sided p of a mean with this standard error over n values."""
    from scipy import stats

    if np.isnan(error):
        return float("nan")
    if error == 0:
        return float(mean == 0)
    return float(2 * stats.t.sf(abs(mean) / error, n - 1))
