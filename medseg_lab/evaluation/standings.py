"""Which runs may be compared: those on the same cases, under the same budget, scored the same way."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medseg_lab.evaluation.ledgers import Ledger
from medseg_lab.evaluation.seeds import seeds_text, shared_by_all, shared_by_most
from medseg_lab.evaluation.standing import BASELINE, Standing

__all__ = ["BASELINE", "TERMS", "Standing", "standings"]

TERMS = ("cohort", "steps", "voxels", "patch", "judge")
"""The columns of a ledger's runs that must be equal for two runs to be compared."""


def standings(ledger: Ledger, *, all_methods: bool = False) -> list[Standing]:
    """Every group of runs that may be compared, part by part; the dearest budget of a data set first.

    Args:
        ledger: the runs.
        all_methods: take the seeds that all methods of a group have, be it one, rather than those of most;
            there is no standing where they have none in common.
    """
    found: list[Standing] = []
    rows: dict = ledger.cases.groupby(["run", "part"], sort=False).indices
    for _, runs in ledger.runs.groupby(list(TERMS), sort=False):
        for part in sorted({part for parts in runs["parts"] for part in parts}):
            whole, reasons = _whole(runs, {run: rows[run, part] for run in runs.index if (run, part) in rows})
            seeds = {str(name): tuple(sorted(s)) for name, s in whole.groupby("method", sort=False)["seed"]}
            common = shared_by_all(seeds) if all_methods else shared_by_most(seeds)
            holders = [name for name, has in seeds.items() if set(common) <= set(has)]
            kept = whole[whole["method"].isin(holders) & whole["seed"].isin(common)]
            if not kept.empty:
                cases = ledger.cases.take(np.concatenate([rows[run, part] for run in kept.index]))
                own = Ledger(ledger.root, kept, cases, origins=ledger.origins)
                found.append(Standing(own, part, (*reasons, *_unshared(seeds, common))))
    return sorted(found, key=_order)


def _whole(runs: pd.DataFrame, rows: Mapping[str, NDArray]) -> tuple[pd.DataFrame, list[str]]:
    """The runs that count, and why others do not.

    A run with another number of results than most does not: its judge was cut short, or is of another time.
    Of two runs of one experiment, one of which was scored on more parts, the newer one counts.
    """
    sizes = pd.Series({run: len(found) for run, found in rows.items()})
    usual = sizes.mode().max()
    odd = sizes[sizes != usual]
    method = runs["method"].to_dict()
    reasons = [f"{method[run]}: run {run} has {size} results, not {usual}" for run, size in odd.items()]
    whole = runs.loc[sizes.index.difference(odd.index, sort=False)].sort_values("started", kind="stable")
    return whole[~whole.duplicated(["recipe", "seed"], keep="last")], reasons


def _unshared(seeds: Mapping[str, tuple[int, ...]], common: tuple[int, ...]) -> Iterator[str]:
    """Which methods lack a seed, and so are left out, and which have more than the others."""
    for name, has in seeds.items():
        if not set(common) <= set(has):
            yield f"{name}: has {seeds_text(has)}, not {seeds_text(common)}"
    more: dict[tuple[int, ...], list[str]] = {}
    for name, has in seeds.items():
        if (extra := tuple(sorted(set(has) - set(common)))) and set(common) <= set(has):
            more.setdefault(extra, []).append(name)
    for extra, names in more.items():
        yield f"{', '.join(names)}: without {seeds_text(extra)}, which others lack"


def _order(standing: Standing) -> tuple:
    first = standing.ledger.runs.iloc[0]
    cost = first["steps"] * first["voxels"]
    return (
        standing.dataset,
        -cost,
        -standing.labelled,
        standing.part,
        first["cohort"],
        *first[["patch", "judge"]],
    )
