"""How far the two sides of a claim are apart, with interval and p."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medseg_lab.evaluation.comparison import compare
from medseg_lab.evaluation.crossed import estimate
from medseg_lab.evaluation.ledger import Ledger
from medseg_lab.evaluation.pairing import NothingToPairError, Pairing, Terms, ceiling, pairings
from medseg_lab.evaluation.statistics import smallest_p
from medseg_lab.survey.claims import Claim


@dataclass(frozen=True)
class Effect:
    """What the runs of both sides say.

    Args:
        claim: whose sides they are, with one method on each.
        terms: on which they were compared.
        value: how much better `claim.better` is: positive for better, whatever the direction. In the
            metric's unit; for a measure of runs as a share of `claim.worse`.
        low, high: its 95% interval, NaN where there is none.
        p: that there is no difference; NaN where nothing was tested.
        margin: the smallest difference worth naming, in the unit of `value`.
        seeds, patients, cases: how many it rests on; no patients and cases for a measure of runs.
        activity: the number that shows whether the idea acted (`claim.acts`); NaN where it was not noted.
        gap: how far the ceiling (`claim.gap`) is ahead of the worse side; None where that is not known.
        among: of how many methods the worse side is the best.
        seen: voxels that a step of each side really held; None where that is not known.
        runs: of both sides, by the first digits of their keys.
        of: how many methods the worse side could have been, whether they have runs or not.
    """

    claim: Claim
    terms: Terms
    value: float
    low: float
    high: float
    p: float
    margin: float
    seeds: int
    patients: int = 0
    cases: int = 0
    activity: float = float("nan")
    gap: "Effect | None" = None
    among: int = 1
    seen: tuple[int, int] | None = None
    runs: tuple[str, ...] = ()
    of: int = 1

    @property
    def votes(self) -> bool:
        """Whether so many patients could show anything: a rank test must be able to give a p below 0.05."""
        return self.claim.measure.per == "run" or smallest_p(self.patients) < 0.05


def effects(ledger: Ledger, claim: Claim, places: Mapping[str, NDArray]) -> list[Effect]:
    """The effect on each data set where a claim's sides can be compared, for each pair of its methods.

    Of a side that is the best of several, one effect a data set is left: that of the best.

    Args:
        ledger: the runs.
        claim: whose sides they are.
        places: the rows of the ledger's cases that belong to each run.

    Raises:
        NothingToPairError: where there is nothing to compare, with the reason.
    """
    found: list[Effect] = []
    reasons: list[str] = []
    for pair in claim.pairs():
        try:
            found += _of_pair(ledger, pair, places)
        except NothingToPairError as reason:
            reasons.append(str(reason))
    if not found:
        raise NothingToPairError(" ".join(dict.fromkeys(reasons)))
    return _of_the_best(found, len(claim.worse.best)) if claim.worse and claim.worse.best else found


def case_effect(claim: Claim, terms: Terms, better: pd.DataFrame, worse: pd.DataFrame) -> Effect:
    """The effect on a metric of cases, paired by patient and seed.

    Args:
        claim: its metric, direction and margin count.
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
    share = (claim.margin_share or 0) * abs(float(compared.of_patients("worse").mean()))
    _, seeds, patients = compared.by_patient.shape
    numbers = {"seeds": seeds, "patients": patients, "cases": len(compared.cases)}
    return Effect(claim, terms, value, low, high, row["p"], claim.margin or share, **numbers)


def run_effect(claim: Claim, terms: Terms, better: NDArray, worse: NDArray) -> Effect:
    """The effect on a measure of runs, as a share of the worse side, paired by seed.

    Costs differ by factors, so it is the logarithm of their ratio that is averaged over the seeds, with
    Student's interval and p. An exact measure is not estimated: its interval is a point, and there is no p.

    Args:
        claim: its metric, direction and margin count.
        terms: of both sides.
        better, worse: `(seeds,)`, seed by seed.

    Raises:
        ValueError: for a cost that is not a number above 0.
    """
    if not (np.isfinite(both := np.array([better, worse])).all() and (both > 0).all()):
        raise ValueError(f"{claim.metric}: expected numbers above 0, got {both.min():g}")
    logs = np.log(better / worse)
    found = estimate(logs[None, None])  # one row, and seeds in the place of patients: Student's
    ends, p = (found.low[0], found.high[0]), float(found.p[0])
    if claim.measure.exact:
        ends, p = (found.mean[0], found.mean[0]), np.nan
    with np.errstate(over="ignore"):  # an interval of two seeds may end anywhere
        value, low, high = (float(np.expm1(log)) for log in (found.mean[0], *ends))
    if claim.direction == "lower":
        value, low, high = -value, -high, -low
    return Effect(claim, terms, value, low, high, p, claim.margin or 0.0, seeds=len(logs))


def _of_pair(ledger: Ledger, claim: Claim, places: Mapping[str, NDArray]) -> list[Effect]:
    """The effect on each data set, of a claim with one method on each side."""
    found, refused = [], []
    for pair in pairings(ledger, claim):
        try:
            found.append(_effect(ledger, claim, pair, places))
        except ValueError as error:
            refused.append(f"{pair.terms.dataset}: {error}")
    if not found:
        raise NothingToPairError(f"The runs cannot be compared. {'; '.join(refused)}.")
    return found


def _effect(ledger: Ledger, claim: Claim, pair: Pairing, places: Mapping[str, NDArray]) -> Effect:
    """The effect on one data set, with what stands beside it."""
    seen, runs = _seen(pair), (*pair.runs["run"], *pair.runs["run_worse"])
    if claim.measure.per == "run":
        columns = claim.metric, f"{claim.metric}_worse"
        sides = (pair.runs[column].to_numpy(float) for column in columns)
        return replace(run_effect(claim, pair.terms, *sides), seen=seen, runs=runs)
    better, worse = (_cases(ledger, pair, column, places) for column in ("run", "run_worse"))
    found = case_effect(claim, pair.terms, better, worse)
    gap = _gap(ledger, claim, pair, places) if claim.gap else None
    return replace(found, gap=gap, activity=_activity(claim, pair, better), seen=seen, runs=runs)


def _gap(ledger: Ledger, claim: Claim, pair: Pairing, places: Mapping[str, NDArray]) -> Effect | None:
    """How far the ceiling is ahead of the worse side, on the same terms; None where that is not known."""
    try:
        wide = ceiling(ledger, claim, pair)
        top, worse = (_cases(ledger, wide, column, places) for column in ("run", "run_worse"))
        return case_effect(claim, wide.terms, top, worse)
    except (NothingToPairError, ValueError):
        return None


def _activity(claim: Claim, pair: Pairing, better: pd.DataFrame) -> float:
    """The mean over the better side's runs; NaN where some of them did not note it."""
    if claim.acts is None:
        return float("nan")
    if claim.acts.noted:
        noted = [one.get(claim.acts.noted, np.nan) for one in pair.runs["activity"]]
        return float(np.mean(noted))
    cases = better[better["part"] == pair.terms.part]
    return float(cases[claim.acts.measure].mean()) if claim.acts.measure in cases else float("nan")


def _seen(pair: Pairing) -> tuple[int, int] | None:
    """Voxels that a step of each side really held; None where the runs do not tell."""
    if "seen" not in pair.runs or pair.runs[["seen", "seen_worse"]].isna().any(axis=None):
        return None
    return int(pair.runs["seen"].iloc[0]), int(pair.runs["seen_worse"].iloc[0])


def _of_the_best(found: list[Effect], of: int) -> list[Effect]:
    """Of each data set the effect against the method that does best there: the smallest, on the best terms.

    Methods are compared where they have the same terms; those of the largest budget count.
    """
    chosen = []
    for _, group in groupby(sorted(found, key=lambda one: one.terms.dataset), lambda one: one.terms.dataset):
        effects = list(group)
        largest = max((one.terms for one in effects), key=lambda terms: terms.steps * terms.voxels)
        alike = [one for one in effects if one.terms == largest]
        chosen.append(replace(min(alike, key=lambda one: one.value), among=len(alike), of=of))
    return chosen


def _cases(ledger: Ledger, pair: Pairing, column: str, places: Mapping[str, NDArray]) -> pd.DataFrame:
    """The cases of one side's runs, with their seeds."""
    seeds = dict(zip(pair.runs[column], pair.runs["seed"], strict=True))
    cases: pd.DataFrame = ledger.cases.iloc[np.concatenate([places[run] for run in seeds])]
    return cases.assign(seed=cases["run"].map(seeds))
