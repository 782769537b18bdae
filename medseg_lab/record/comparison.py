"""Methods compared on the record, for a chapter that shows what trainings with more seeds came to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from medseg_lab.evaluation.comparison import Comparison, compare
from medseg_lab.evaluation.ledger import Ledger
from medseg_lab.record.basis import Basis
from medseg_lab.record.store import ledger_of_entries, read_entries, record_folder
from medseg_lab.training.notation import written
from medseg_lab.training.recipe import Recipe

TERMS = ("steps", "voxels", "patch", "judge", "part")


class NothingOnRecord(Exception):
    """Why there is no such comparison on record, as a sentence."""


@dataclass(frozen=True)
class Wanted:
    """A method that is looked for.

    Args:
        name: as the comparison is to call it.
        recipe: as text.
        labelled: patients whose labels were used; None for all.
    """

    name: str
    recipe: str
    labelled: int | None


def wanted(
    methods: Mapping[str, Recipe], labelled: int | Mapping[str, int | None] | None, usual: int | None
) -> list[Wanted]:
    """What is looked for, of recipes by name.

    Args:
        methods: as of `medseg_lab.evaluation.protocol.named`.
        labelled: patients whose labels were used, None for all and 0 for the usual number: the same for all
            methods, or by name, where a name that is missing has the usual number.
        usual: the lesson's number; None for all.

    Raises:
        ValueError: for the name of another method in `labelled`.
    """
    numbers = labelled if isinstance(labelled, Mapping) else dict.fromkeys(methods, labelled)
    if unknown := [name for name in numbers if name not in methods]:
        raise ValueError(f"labelled: expected some of {', '.join(methods)}, got {unknown[0]!r}")
    found = {name: numbers.get(name, 0) for name in methods}
    return [
        Wanted(name, written(recipe), usual if found[name] == 0 else found[name])
        for name, recipe in methods.items()
    ]


def recorded(
    methods: Sequence[Wanted],
    dataset: str,
    *,
    metric: str = "dice",
    baseline: str | None = None,
    across_labels: bool = False,
    part: str | None = None,
    cohorts: Sequence[str] = (),
    path: Path | str | None = None,
) -> tuple[Comparison, Basis]:
    """The comparison of methods on record, and the runs that it rests on; what is absent is left out.

    Of all terms on which each of them has runs with common seeds, the largest budget counts; then the part
    that is preferred, the cohorts that are preferred, the most seeds.

    Args:
        methods: which.
        dataset: the id of a data set.
        metric, baseline, across_labels: as of `medseg_lab.evaluation.comparison.compare`.
        part: the cases that are preferred.
        cohorts: fingerprints of the cohorts that are preferred.
        path: the record's folder; None for the usual one.

    Raises:
        NothingOnRecord: where there is none.
        ValueError: as `compare`.
    """
    texts = {one.recipe for one in methods}
    entries = [
        one for one in read_entries(path) if one.record.method in texts and one.record.cohort.id == dataset
    ]
    ledger = ledger_of_entries(entries, record_folder(path))
    runs = {one.name: _runs(ledger, one) for one in methods}
    absent = [name for name, found in runs.items() if found.empty]
    runs = {name: found for name, found in runs.items() if not found.empty}
    if len(runs) < min(2, len(methods)) or (baseline is not None and baseline not in runs):
        raise NothingOnRecord(f"nothing of {', '.join(absent)} on {dataset}")
    offers = list(_offers(runs, "held_out" if across_labels else "cohort", set(cohorts)))
    if not offers:
        raise NothingOnRecord(f"{', '.join(runs)} were never trained on the same terms on {dataset}")
    chosen = max(
        offers,
        key=lambda o: (o.spent, o.part == part, o.preferred, o.part == "test", len(o.seeds), o.started),
    )
    tables = {name: _cases(ledger, found, chosen.part) for name, found in chosen.runs.items()}
    compared = compare(tables, metric, part=chosen.part, baseline=baseline, across_labels=across_labels)
    used = {run for found in chosen.runs.values() for run in found["run"]}
    return compared, Basis(tuple(entry for entry in entries if entry.run in used), absent=tuple(absent))


@dataclass(frozen=True)
class _Offer:
    """Runs of each method on common terms, one a seed."""

    runs: Mapping[str, pd.DataFrame]
    part: str
    seeds: tuple[int, ...]
    preferred: int

    @property
    def spent(self) -> int:
        first = next(iter(self.runs.values())).iloc[0]
        return int(first["steps"]) * int(first["voxels"])

    @property
    def started(self) -> str:
        return max(str(found["started"].max()) for found in self.runs.values())


def _runs(ledger: Ledger, one: Wanted) -> pd.DataFrame:
    """A method's runs, one row a part that was scored."""
    found = ledger.runs[ledger.runs["recipe"] == one.recipe]
    found = found[found["unlabelled"] == 0 if one.labelled is None else found["labelled"] == one.labelled]
    return found.reset_index().explode("parts").rename(columns={"parts": "part"}).dropna(subset="part")


def _offers(runs: Mapping[str, pd.DataFrame], same: str, cohorts: set[str]) -> Iterator[_Offer]:
    """All terms that the methods have in common, with the seeds that each of them has there."""
    keys = [same, *TERMS]
    groups = {name: dict(iter(found.groupby(keys, sort=False))) for name, found in runs.items()}
    for terms in set.intersection(*(set(of) for of in groups.values())):
        chosen = {name: _one_cohort(of[terms], cohorts) for name, of in groups.items()}
        seeds = set.intersection(*(set(found["seed"]) for found in chosen.values()))
        if seeds:
            preferred = sum(bool(found["cohort"].iloc[0] in cohorts) for found in chosen.values())
            kept = {name: found[found["seed"].isin(seeds)] for name, found in chosen.items()}
            yield _Offer(kept, str(terms[-1]), tuple(sorted(seeds)), preferred)


def _one_cohort(found: pd.DataFrame, cohorts: set[str]) -> pd.DataFrame:
    """Of runs that learnt from several draws of labelled patients those of one: a preferred or the first.

    One row a seed, the newest.
    """
    order = found.assign(other=~found["cohort"].isin(cohorts)).sort_values(["other", "draw"], kind="stable")
    one = found[found["cohort"] == order["cohort"].iloc[0]]
    return one.sort_values("started", kind="stable").drop_duplicates("seed", keep="last").sort_values("seed")


def _cases(ledger: Ledger, runs: pd.DataFrame, part: str) -> pd.DataFrame:
    seeds = dict(zip(runs["run"], runs["seed"], strict=True))
    cases = ledger.cases[ledger.cases["run"].isin(seeds) & (ledger.cases["part"] == part)]
    return cases.assign(seed=cases["run"].map(seeds)).drop(columns="run")
