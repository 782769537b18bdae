"""What the ledger holds for and against one claim."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medseg_lab.evaluation.effects import Effect, case_effect, run_effect
from medseg_lab.evaluation.ledgers import Ledger
from medseg_lab.evaluation.pairing import NothingToPairError, Pairing, pairings
from medseg_lab.survey.claims import Claim
from medseg_lab.survey.configurations import configuration, configurations
from medseg_lab.survey.methods import method


def evidence(ledger: Ledger, claim: Claim, places: Mapping[str, NDArray]) -> list[Effect]:
    """How far a claim's sides are apart, on each data set where they can be compared.

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
        return [_of_runs(claim, pair) for pair in pairs]
    if claim.metric not in ledger.cases:
        raise NothingToPairError(f"Nothing here measures {claim.measure.title} yet.")
    found, refused = [], []
    for pair in pairs:
        try:
            found.append(_of_cases(ledger, claim, pair, places))
        except ValueError as error:
            refused.append(f"{pair.terms.dataset}: {error}")
    if not found:
        raise NothingToPairError(f"The runs cannot be compared. {'; '.join(refused)}.")
    return found


def _of_runs(claim: Claim, pair: Pairing) -> Effect:
    name = claim.metric
    better, worse = (pair.runs[column].to_numpy(dtype=float) for column in (name, f"{name}_worse"))
    return run_effect(claim, pair.terms, better, worse)


def _of_cases(ledger: Ledger, claim: Claim, pair: Pairing, places: Mapping[str, NDArray]) -> Effect:
    tables = []
    for column in ("run", "run_worse"):
        seeds = dict(zip(pair.runs[column], pair.runs["seed"], strict=True))
        rows: NDArray = np.concatenate([places[run] for run in seeds])
        cases: pd.DataFrame = ledger.cases.iloc[rows]
        tables.append(cases.assign(seed=cases["run"].map(seeds)))
    return case_effect(claim, pair.terms, *tables)


def _planned(claim: Claim, ledger: Ledger) -> str:
    """That a side's method is yet to be written, and where; "" if both are, or have runs all the same."""
    known = {one.name for one in configurations()}
    names = [side.method for side in (claim.better, claim.worse)]
    absent = [
        name
        for name in dict.fromkeys(names)
        if name in known and not configuration(name).recipe and not (ledger.runs["method"] == name).any()
    ]
    if not absent:
        return ""
    chapters = dict.fromkeys(method(configuration(name).method).chapter for name in absent)
    return f"Planned for chapter {' and '.join(chapters)}: {' and '.join(absent)}."
