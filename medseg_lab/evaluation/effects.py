"""How far the two sides of a claim are apart, with interval and p."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medseg_lab.evaluation.comparison import compare
from medseg_lab.evaluation.ledger import Ledger
from medseg_lab.evaluation.pairing import NothingToPairError, Pairing, Terms, pairings
from medseg_lab.survey.claims import Claim
from medseg_lab.survey.configurations import configuration, configurations
from medseg_lab.survey.methods import method


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


def effects(ledger: Ledger, claim: Claim, places: Mapping[str, NDArray]) -> list[Effect]:
    """The effect on each data set where a claim's sides can be compared.

    Args:
        ledger: the runs.
        claim: whose sides they are.
        places: the rows of the ledger's cases that belong to each run.

    Raises:
        NothingToPairError: where there is nothing to compare, with the reason.
    """
    try:
        pairs = pairings(ledger, claim)
    except NothingToPairError as reason:
        raise NothingToPairError(_planned(claim, ledger) or str(reason)) from reason
    if claim.measure.per == "run":
        columns = claim.metric, f"{claim.metric}_worse"
        return [
            run_effect(claim, one.terms, *(one.runs[c].to_numpy(float) for c in columns)) for one in pairs
        ]
    if claim.metric not in ledger.cases:
        raise NothingToPairError(f"Nothing here measures {claim.measure.title} yet.")
    found, refused = [], []
    for pair in pairs:
        try:
            sides = (_cases(ledger, pair, column, places) for column in ("run", "run_worse"))
            found.append(case_effect(claim, pair.terms, *sides))
        except ValueError as error:
            refused.append(f"{pair.terms.dataset}: {error}")
    if not found:
        raise NothingToPairError(f"The runs cannot be compared. {'; '.join(refused)}.")
    return found


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
    numbers = len(compared.seeds), len(compared.cases)
    return Effect(claim, terms, value, low, high, row["p"], row["agree"], *numbers)


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
    low, high, p = (mean, mean, np.nan) if claim.measure.exact else (np.nan, np.nan, np.nan)
    if not claim.measure.exact and n > 1:
        error = logs.std(ddof=1) / np.sqrt(n)
        reach = stats.t.ppf(0.975, n - 1) * error
        low, high = mean - reach, mean + reach
        p = float(2 * stats.t.sf(abs(mean) / error, n - 1)) if error else float(mean == 0)
    value, low, high = (float(np.expm1(log)) for log in (mean, low, high))
    if claim.direction == "lower":
        value, low, high = -value, -high, -low
    agree = bool((np.sign(logs) == np.sign(mean)).all())
    return Effect(claim, terms, value, low, high, p, agree, seeds=n)


def _cases(ledger: Ledger, pair: Pairing, column: str, places: Mapping[str, NDArray]) -> pd.DataFrame:
    """The cases of one side's runs, with their seeds."""
    seeds = dict(zip(pair.runs[column], pair.runs["seed"], strict=True))
    cases: pd.DataFrame = ledger.cases.iloc[np.concatenate([places[run] for run in seeds])]
    return cases.assign(seed=cases["run"].map(seeds))


def _planned(claim: Claim, ledger: Ledger) -> str:
    """That a side's method is yet to be written, and where; "" if both are, or have runs all the same."""
    known = {one.name for one in configurations()}
    absent = [
        name
        for name in dict.fromkeys((claim.better.method, claim.worse.method))
        if name in known and not configuration(name).recipe and not (ledger.runs["method"] == name).any()
    ]
    if not absent:
        return ""
    chapters = dict.fromkeys(method(configuration(name).method).chapter for name in absent)
    return f"Planned for chapter {' and '.join(chapters)}: {' and '.join(absent)}."
