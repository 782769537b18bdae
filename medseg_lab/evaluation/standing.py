"""Methods that may be compared with each other, on one part of one cohort."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from medseg_lab.evaluation.comparison import Comparison, compare
from medseg_lab.evaluation.ledgers import Ledger
from medseg_lab.evaluation.naming import names
from medseg_lab.evaluation.notes import notes
from medseg_lab.evaluation.seeds import seeds_text
from medseg_lab.evaluation.summary import Summary

BASELINE = "U-Net"
"""The method that others are held against, unless something else is asked for."""


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
        """The method that others are held against by default: the U-Net where it is there, else the first."""
        return BASELINE if BASELINE in self.methods else self.methods[0]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that each method has."""
        return tuple(sorted(self.ledger.runs["seed"].unique().tolist()))

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """How the runs differ in what is no term: hardware, versions, code; a sentence each."""
        origins = self.ledger.origins
        return notes([origins[run] for run in self.ledger.runs.index if run in origins])

    def comparison(
        self, metric: str = "dice", *, methods: Sequence[str] | None = None, baseline: str | None = None
    ) -> Comparison:
        """These methods held against each other; all, by default.

        Raises:
            ValueError: as `compare`.
        """
        wanted = self.methods if methods is None else tuple(methods)
        if unknown := [name for name in wanted if name not in self.methods]:
            raise ValueError(f"method: got {unknown[0]!r}, wanted one of {', '.join(self.methods)}")
        runs, cases = self.ledger.runs, self.ledger.cases
        wide = cases.columns.intersection(["run", "part", "case", "patient", "class", metric, "diagonal"])
        cases = cases.loc[cases["part"] == self.part, wide]
        at = runs.index.get_indexer(pd.Index(cases["run"]))
        cases = cases.drop(columns="run").assign(seed=runs["seed"].to_numpy()[at])
        rows: dict = pd.Series(at).groupby(runs["method"].to_numpy()[at]).indices
        tables = {name: cases.take(rows[name]) for name in wanted}
        held = baseline if baseline is not None else self.baseline if self.baseline in wanted else wanted[0]
        return compare(tables, metric, part=self.part, baseline=held)

    def costs(self) -> pd.DataFrame:
        """Per method, means over its runs: seconds of training, peak_memory_mb, parameters."""
        columns = ["seconds", "peak_memory_mb", "parameters"]
        return self.ledger.runs.groupby("method", sort=False)[columns].mean().loc[list(self.methods)]

    def summary(self, metric: str = "dice", baseline: str | None = None) -> Summary:
        """The comparison with what it cost, a row a method, under its terms."""
        first = self.ledger.runs.iloc[0]
        terms = {name: first[name] for name in ("dataset", "labelled", "budget", "steps", "voxels", "cohort")}
        compared = self.comparison(metric, baseline=baseline)
        return Summary(compared, self.describe(), terms, self.costs(), (*self.left_out, *self.notes))

    def describe(self) -> str:
        """Data, labels, budget, part, seeds: on what terms these methods stand."""
        first = self.ledger.runs.iloc[0]
        patients = "patient" if self.labelled == 1 else "patients"
        return (
            f"{self.dataset}, {self.labelled} labelled {patients}, {self.part} part; budget {self.budget} "
            f"({first['steps']:,} steps of {first['voxels']:,} voxels); {seeds_text(self.seeds)}"
        )
