"""Which runs may be compared: those on the same cases, under the same budget, scored the same way."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medseg_lab.data.wording import counted
from medseg_lab.evaluation.comparison import Comparison, compare
from medseg_lab.evaluation.ledger import TERMS, Ledger, Origin
from medseg_lab.evaluation.naming import names
from medseg_lab.evaluation.summary import COSTS, Summary

BASELINE = "U-Net"
"""The method that others are compared with, unless something else is asked for."""
NAMED = 3
"""So many files that differ are named; the rest are counted."""


@dataclass(frozen=True)
class Standing:
    """All methods that can be compared with each other on one part of one cohort.

    Args:
        ledger: the runs that count, all on the same terms, each method with the same seeds.
        part: which cases: "validation", "test".
        left_out: what is not in it, each with the reason.
    """

    ledger: Ledger
    part: str
    left_out: tuple[str, ...] = ()

    @property
    def dataset(self) -> str:
        """The data set's id."""
        return str(self.ledger.runs["dataset"].iloc[0])

    @property
    def budget(self) -> str:
        """The budget's name."""
        return str(self.ledger.runs["budget"].iloc[0])

    @property
    def labelled(self) -> int:
        """Patients whose labels were used."""
        return int(self.ledger.runs["labelled"].iloc[0])

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """Their names, in the order of the configurations; own recipes follow, by their text."""
        order = {recipe: number for number, recipe in enumerate(names())}
        found = dict(zip(self.ledger.runs["method"], self.ledger.runs["recipe"], strict=True))
        return tuple(sorted(found, key=lambda name: (order.get(found[name], len(order)), name)))

    @property
    def baseline(self) -> str:
        """The method that others are compared with by default: the U-Net if it is there, else the first."""
        return BASELINE if BASELINE in self.methods else self.methods[0]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that each method has."""
        return tuple(sorted(self.ledger.runs["seed"].unique().tolist()))

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """How the runs differ in what is no term: hardware, versions, code; a sentence each."""
        origins = self.ledger.origins
        return tuple(_differences([origins[run] for run in self.ledger.runs.index if run in origins]))

    def comparison(
        self, metric: str = "dice", *, methods: Sequence[str] | None = None, baseline: str | None = None
    ) -> Comparison:
        """These methods compared with each other; all, by default.

        Raises:
            ValueError: as `compare`.
        """
        wanted = self.methods if methods is None else tuple(methods)
        if unknown := [name for name in wanted if name not in self.methods]:
            raise ValueError(f"method: expected one of {', '.join(self.methods)}, got {unknown[0]!r}")
        runs, cases = self.ledger.runs, self.ledger.cases
        wide = cases.columns.intersection(["run", "part", "case", "patient", "class", metric, "diagonal"])
        cases = cases.loc[cases["part"] == self.part, wide]
        at = runs.index.get_indexer(pd.Index(cases["run"]))
        cases = cases.drop(columns="run").assign(seed=runs["seed"].to_numpy()[at])
        rows: dict = pd.Series(at).groupby(runs["method"].to_numpy()[at]).indices
        tables = {name: cases.take(rows[name]) for name in wanted}
        if baseline is None:
            baseline = self.baseline if self.baseline in wanted else wanted[0]
        return compare(tables, metric, part=self.part, baseline=baseline)

    def costs(self) -> pd.DataFrame:
        """Per method, means over its runs: seconds of training, peak_memory_mb, parameters."""
        return self.ledger.runs.groupby("method", sort=False)[list(COSTS)].mean().loc[list(self.methods)]

    def summary(self, metric: str = "dice", baseline: str | None = None) -> Summary:
        """The comparison and its costs, a row a method, under its terms."""
        first = self.ledger.runs.iloc[0]
        terms = {name: first[name] for name in ("dataset", "labelled", "budget", "steps", "voxels", "cohort")}
        compared = self.comparison(metric, baseline=baseline)
        return Summary(compared, self.describe(), terms, self.costs(), (*self.left_out, *self.notes))

    def describe(self) -> str:
        """Data, labels, budget, part, seeds: the terms of the comparison."""
        first = self.ledger.runs.iloc[0]
        return (
            f"{self.dataset}, {counted(self.labelled, 'labelled patient')}, {self.part} part; "
            f"budget {self.budget} ({first['steps']:,} steps of {first['voxels']:,} voxels); "
            f"{seeds_text(self.seeds)}"
        )


def standings(ledger: Ledger, *, all_methods: bool = False) -> list[Standing]:
    """Every group of runs that may be compared, part by part; the largest budget of a data set first.

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


def shared_by_all(seeds: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """The seeds that each method has."""
    return tuple(sorted(set.intersection(*(set(has) for has in seeds.values()))))


def shared_by_most(seeds: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """The seeds that most methods share: those that leave the largest block of methods x seeds.

    So one method that was trained less than the others does not cost them their seeds, nor do a few with
    more seeds cost the others their place. Two seeds or more, of two methods or more, go before all else: one
    training of each cannot tell methods apart. Of equal blocks, that with more seeds counts, then the lowest.

    Args:
        seeds: those of each method.
    """
    sets = {frozenset(has) for has in seeds.values()}
    while larger := {a & b for a in sets for b in sets} - sets:
        sets |= larger

    def worth(chosen: frozenset[int]) -> tuple[bool, bool, int, int, tuple[int, ...]]:
        holders = sum(chosen <= set(has) for has in seeds.values())
        several = holders > 1
        lowest = tuple(-seed for seed in sorted(chosen))
        return several, several and len(chosen) > 1, holders * len(chosen), len(chosen), lowest

    best = max((one for one in sets if one), key=worth)
    return tuple(sorted(best))


def seeds_text(seeds: Sequence[int]) -> str:
    """ "seed 0", "seeds 0, 1", "seeds 0 to 4"."""
    if len(seeds) > 3 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"seeds {seeds[0]} to {seeds[-1]}"
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"


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
    more: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for name, has in seeds.items():
        if not set(common) <= set(has):
            yield f"{name}: has {seeds_text(has)}, not {seeds_text(common)}"
        elif extra := tuple(sorted(set(has) - set(common))):
            more[extra].append(name)
    for extra, methods in more.items():
        yield f"{', '.join(methods)}: without {seeds_text(extra)}, which others lack"


def _order(standing: Standing) -> tuple:
    first = standing.ledger.runs.iloc[0]
    cost = first["steps"] * first["voxels"]
    other = first[["cohort", "patch", "judge"]]
    return standing.dataset, -cost, -standing.labelled, standing.part, *other


def _differences(origins: Collection[Origin]) -> Iterator[str]:
    """One sentence for each kind of difference between the runs of a standing: stated, not refused.

    Threads and processes change bits, too, but hardly a result.
    """
    hardware = Counter(f"{one.hardware.device} {one.hardware.precision}" for one in origins)
    if len(hardware) > 1:
        yield f"trained on different hardware: {_listed(hardware)}"
    for name in sorted({name for one in origins for name in one.versions}):
        versions = Counter(one.versions[name] for one in origins if name in one.versions)
        if len(versions) > 1:
            yield f"trained with different versions of {name}: {_listed(versions)}"
    hashes: dict[str, set[str]] = defaultdict(set)
    for sources in {id(one.sources): one.sources for one in origins}.values():
        for path, value in sources.items():
            hashes[path].add(value)
    differing = [path.removeprefix("medseg_lab/") for path, found in hashes.items() if len(found) > 1]
    if differing:
        more = f" and {len(differing) - NAMED} more files" if len(differing) > NAMED else ""
        yield f"trained with different versions of this library's {', '.join(differing[:NAMED])}{more}"


def _listed(found: Mapping[str, int]) -> str:
    """ "cpu 32-true (4 runs), cuda bf16-mixed (1 run)"."""
    return ", ".join(f"{value} ({counted(count, 'run')})" for value, count in found.items())
