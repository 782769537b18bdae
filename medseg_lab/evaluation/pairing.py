"""Which runs of a ledger stand for the two sides of a claim, pair by pair: one method on each side."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from medseg_lab.evaluation.ledger import TERMS, Ledger
from medseg_lab.survey.claims import Claim, Side
from medseg_lab.training.budget import BUDGETS

PARTS = ("test", "validation")
"""The part that decides, if both were scored: the first."""
ENOUGH = 3
"""Trainings of each side from which a claim can be supported."""


class NothingToPairError(Exception):
    """Why a claim has no evidence, as a sentence."""


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
class Pairing:
    """The runs of both sides on one data set, on the same terms.

    Args:
        terms: of both.
        runs: one row a seed: the ledger's columns of the better side's run, those of the worse side's with
            `_worse`; the runs themselves are `run` and `run_worse`.
    """

    terms: Terms
    runs: pd.DataFrame


def pairings(ledger: Ledger, claim: Claim) -> list[Pairing]:
    """The runs that decide a claim on each data set, in the order of the data sets' ids.

    On each, those of the largest budget; then of the test part rather than validation; then of the labels
    that the sides ask for, which is the most where they do not ask. A budget that tests nothing comes last,
    and so do fewer seeds than are needed.

    Args:
        ledger: the runs.
        claim: with one method on each side (`Claim.pairs`).

    Raises:
        NothingToPairError: where there are none, with the reason.
    """
    better, worse = _sides(ledger, claim)
    if claim.metric not in (ledger.cases if claim.measure.per == "case" else ledger.runs):
        raise NothingToPairError(f"Nothing here measures {claim.measure.title} yet.")
    rungs = list(_ladder(claim))
    shared = [column for _, columns in rungs for column in columns]
    pairs = better.reset_index().merge(worse.reset_index(), on=shared, suffixes=("", "_worse"))
    if pairs.empty:
        lacking = _apart(better, worse, rungs)
        raise NothingToPairError(f"Both sides have runs, but none with the same {lacking}.")
    shared.remove("seed")
    alike = [*shared, *(name for name in ("cohort", "cohort_worse") if name in pairs and name not in shared)]
    groups = [group for _, group in pairs.groupby(alike, sort=False, dropna=False)]
    chosen = [
        min((group for group in groups if group["dataset"].iloc[0] == name), key=lambda g: _order(g, claim))
        for name in sorted(pairs["dataset"].unique())
    ]
    return [Pairing(_terms(group), group.sort_values("seed")) for group in chosen]


def _apart(better: pd.DataFrame, worse: pd.DataFrame, rungs: Iterable[tuple[str, list[str]]]) -> str:
    """What the first rung asks for that no run of the better side has in common with one of the worse."""
    shared: list[str] = []
    for what, columns in rungs:
        shared += columns
        better = better.merge(worse[shared].drop_duplicates(), on=shared)
        if better.empty:
            return what
    raise AssertionError("these can be paired")


def _ladder(claim: Claim) -> Iterator[tuple[str, list[str]]]:
    """What two runs must share to be paired, in the order in which it is asked for."""
    yield "data set", ["dataset"]
    yield "split and preprocessing", ["held_out"]
    if claim.same_labels:
        yield "labelled patients", ["cohort"]
    yield "budget", ["steps", "voxels", "patch"]
    if claim.measure.per == "case":
        yield "judge", ["judge"]
        yield "part", ["part"]
    elif not claim.measure.exact:
        yield "device", ["device"]
    yield "seed", ["seed"]


def ceiling(ledger: Ledger, claim: Claim, pair: Pairing) -> Pairing:
    """The runs of the gap's third side, paired with those of the worse side that decide the claim.

    Raises:
        NothingToPairError: where there are none, with the reason.
    """
    assert claim.gap is not None
    wide = claim.model_copy(update={"better": claim.gap, "gap": None, "acts": None, "kind": "superior"})
    keep = {*pair.runs["run_worse"], *_of(ledger, wide, claim.gap, _measured(ledger, wide)).index}
    among = replace(ledger, runs=ledger.runs[ledger.runs.index.isin(keep)])
    for found in pairings(among, wide):
        if (found.terms.dataset, found.terms.part) == (pair.terms.dataset, pair.terms.part):
            return found
    raise NothingToPairError(f"There are no runs of {claim.gap} on {pair.terms.dataset}.")


def _sides(ledger: Ledger, claim: Claim) -> list[pd.DataFrame]:
    """Each side's runs, one row a part that was scored; of runs that agree in all else, the newest."""
    measured = _measured(ledger, claim)
    runs = {side: _of(ledger, claim, side, measured) for side in (claim.better, claim.worse) if side}
    if absent := [str(side) for side, found in runs.items() if found.empty]:
        raise NothingToPairError(f"There are no runs of {' or of '.join(absent)}{_where(claim)}.")
    if claim.measure.per == "case":
        runs = {side: found.explode("part").dropna(subset="part") for side, found in runs.items()}
    if unscored := [str(side) for side, found in runs.items() if found.empty]:
        raise NothingToPairError(f"The runs of {' and of '.join(unscored)}{_where(claim)} were not scored.")
    if claim.measure.per == "case":
        scored = {side: bool(found.index.isin(measured).any()) for side, found in runs.items()}
        if any(scored.values()) and (without := [str(side) for side, there in scored.items() if not there]):
            said = f"{claim.measure.title} of {' or of '.join(without)}{_where(claim)}"
            raise NothingToPairError(f"Nothing here measures the {said}.")
    free = {"device"} if claim.measure.per == "case" else {"judge", *["device"] * claim.measure.exact}
    same = [name for name in (*TERMS, "device", "seed", "part") if name not in free]
    return [
        found.sort_values("started", kind="stable").drop_duplicates(same, keep="last")
        for found in runs.values()
    ]


def _of(ledger: Ledger, claim: Claim, side: Side, measured: Sequence[str]) -> pd.DataFrame:
    """A side's runs, as far as the claim's conditions let them count; `measured` are those of `_measured`."""
    runs = ledger.runs[ledger.runs["method"] == side.method]
    if side.labelled in ("all", "part"):
        runs = runs[(runs["unlabelled"] > 0) == (side.labelled == "part")]
    elif side.labelled is not None:
        runs = runs[runs["labelled"] == side.labelled]
    if claim.data:
        runs = runs[runs["dataset"].isin(claim.data)]
    if claim.dims is not None:
        runs = runs[runs["dims"] == claim.dims]
    if claim.measure.per == "case" and claim.metric in ledger.cases:
        # where nothing was measured, the reason is found later, case by case
        runs = runs[runs.index.isin(measured)] if runs.index.isin(measured).any() else runs
    return runs.assign(part=runs["parts"] if claim.measure.per == "case" else "")


def _measured(ledger: Ledger, claim: Claim) -> Sequence[str]:
    """The runs in which the claim's measure has a value; none for a measure of runs."""
    if claim.measure.per == "run" or claim.metric not in ledger.cases:
        return ()
    return list(ledger.cases.loc[ledger.cases[claim.metric].notna(), "run"].unique())


def _where(claim: Claim) -> str:
    if claim.data:
        return f" on {' or '.join(claim.data)}"
    return f" on {claim.dims}D data" if claim.dims else ""


def _terms(group: pd.DataFrame) -> Terms:
    first = group.iloc[0]
    return Terms(
        dataset=str(first["dataset"]),
        budget=str(first["budget"]),
        steps=int(first["steps"]),
        voxels=int(first["voxels"]),
        part=str(first["part"]),
        labelled=(int(first["labelled"]), int(first["labelled_worse"])),
    )


def _order(group: pd.DataFrame, claim: Claim) -> tuple:
    """The group with the smallest key decides."""
    terms, first = _terms(group), group.iloc[0]
    lacking = 0 if claim.measure.exact else max(ENOUGH - len(group), 0)
    part = PARTS.index(terms.part) if terms.part in PARTS else len(PARTS)
    sides = zip((claim.better, claim.worse), terms.labelled, strict=True)
    labels = [number if side and side.labelled == "part" else -number for side, number in sides]
    draws = int(first["draw"]) + int(first["draw_worse"])
    spent = terms.steps * terms.voxels
    newest = np.datetime64(str(group["started"].max())[:19]).astype("datetime64[s]").astype(float)
    return terms.proves_nothing, draws, lacking, -spent, part, labels, -len(group), -newest
