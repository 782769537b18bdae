"""Which runs may be compared: those on the same cases, under the same budget, scored the same way."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from medseg_lab.evaluation.comparison import Comparison, compare
from medseg_lab.evaluation.ledgers import Ledger

TERMS = ("cohort", "steps", "voxels", "patch", "judge")
"""The columns of a ledger's runs that must be equal for two runs to be compared."""


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

    @property
    def methods(self) -> tuple[str, ...]:
        """Their names, in the order of the configurations; own recipes follow."""
        return tuple(dict.fromkeys(self.ledger.runs["method"]))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that each method has."""
        return tuple(sorted(self.ledger.runs["seed"].unique().tolist()))

    def comparison(
        self, metric: str = "dice", *, methods: Sequence[str] | None = None, baseline: str | None = None
    ) -> Comparison:
        """These methods held against each other; all, by default.

        Raises:
            ValueError: as `compare`.
        """
        wanted = self.methods if methods is None else tuple(methods)
        seed = self.ledger.runs["seed"]
        cases = self.ledger.cases[self.ledger.cases["part"] == self.part]
        cases = cases.assign(seed=cases["run"].map(seed), method=cases["run"].map(self.ledger.runs["method"]))
        tables = dict(iter(cases.groupby("method", sort=False)))
        return compare({name: tables[name] for name in wanted}, metric, part=self.part, baseline=baseline)

    def costs(self) -> pd.DataFrame:
        """Per method, means over its runs: seconds of training, peak_memory_mb, parameters."""
        columns = ["seconds", "peak_memory_mb", "parameters"]
        return self.ledger.runs.groupby("method", sort=False)[columns].mean().loc[list(self.methods)]

    def describe(self) -> str:
        """Data, labels, budget, part, seeds: on what terms these methods stand."""
        first = self.ledger.runs.iloc[0]
        return (
            f"{self.dataset}, {self.labelled} labelled patients, {self.part} part; budget {self.budget} "
            f"({first['steps']} steps of {first['voxels']} voxels); seeds {', '.join(map(str, self.seeds))}"
        )


def standings(ledger: Ledger) -> list[Standing]:
    """Every group of runs that may be compared, part by part; the dearest budget of a data set first."""
    found: list[Standing] = []
    if ledger.runs.empty:
        return found
    for _, runs in ledger.runs.groupby(list(TERMS), sort=False):
        for part in sorted({part for parts in runs["parts"] for part in parts}):
            holding = runs[[part in parts for parts in runs["parts"]]]
            found.append(_standing(ledger, holding, part))
    return sorted(found, key=_order)


def _standing(ledger: Ledger, runs: pd.DataFrame, part: str) -> Standing:
    """With the seeds that most methods have; who lacks one is left out, and named."""
    seeds = {
        str(name): tuple(sorted(set(group["seed"]))) for name, group in runs.groupby("method", sort=False)
    }
    counts = Counter(seeds.values())
    common = max(counts, key=lambda has: (counts[has], len(has)))
    lacking = {name: has for name, has in seeds.items() if not set(common) <= set(has)}
    kept = runs[~runs["method"].isin(list(lacking)) & runs["seed"].isin(common)]
    reasons = tuple(
        f"{name}: has seeds {', '.join(map(str, has))}, wanted {', '.join(map(str, common))}"
        for name, has in lacking.items()
    )
    cases = ledger.cases[ledger.cases["run"].isin(kept.index)]
    return Standing(Ledger(ledger.root, kept, cases), part, reasons)


def _order(standing: Standing) -> tuple:
    first = standing.ledger.runs.iloc[0]
    return standing.dataset, -first["steps"] * first["voxels"], -standing.labelled, standing.part
