"""The ledger: all runs of a store and their per-case results, as tables.

Nothing is kept beside the run folders, so nothing can disagree with them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from medseg_lab.evaluation.assemble import assembled, collector_paused
from medseg_lab.evaluation.naming import method_called, names, recipe_called, renamed
from medseg_lab.evaluation.rows import COLUMNS, Origin
from medseg_lab.training.recipe import Recipe
from medseg_lab.training.runs import Run, RunStore, run_store

if TYPE_CHECKING:
    from medseg_lab.evaluation.comparison import Comparison

__all__ = ["COLUMNS", "Ledger", "ledger_of", "names", "read_ledger", "recipe_called"]

FINGERPRINTS = ("cohort", "held_out", "base")
"""Columns whose values may be shortened."""


@dataclass(frozen=True)
class Ledger:
    """Runs and their cases.

    Args:
        root: the store's folder.
        runs: one row a run, indexed by `run`, the first 16 digits of its key. Columns: method (its
            configuration's name, else its recipe), recipe (as text), dataset, cohort (fingerprint), held_out,
            labelled (patients), unlabelled (cases), dims (of the data), budget (name), steps, voxels, patch,
            seed, judge (how cases were scored, as text), parts (which were), seconds (of training),
            judge_seconds, peak_memory_mb, parameters, device, base, started.
        cases: one row a run, part, case and class: run, part, case, patient, class and the metrics.
        superseded: runs that are left out because a newer one differs from them in nothing that is compared,
            by `run`: trained with other versions of the code or libraries, or on other hardware.
        origins: with what each run was made, by `run`.
    """

    root: Path
    runs: pd.DataFrame
    cases: pd.DataFrame
    superseded: tuple[str, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict, repr=False)

    @property
    def table(self) -> pd.DataFrame:
        """Everything in one table: a row a run, part, case and class, with the run's columns."""
        return self.cases.merge(self.runs, left_on="run", right_index=True)

    def where(self, **wanted: Any) -> "Ledger":
        """The runs whose columns have these values; a list means any of them, None means any value.

        A fingerprint (cohort, held_out, base) may be shortened to its first digits.

        Raises:
            ValueError: for a column that there is not.
        """
        keep = pd.Series(True, index=self.runs.index)
        for column, value in wanted.items():
            if column not in self.runs:
                raise ValueError(f"filter: got {column!r}, wanted one of {', '.join(self.runs.columns)}")
            if value is not None:
                values = list(value) if isinstance(value, list | tuple | set | range) else [value]
                found = self.runs[column]
                short = column in FINGERPRINTS
                keep &= found.str.startswith(tuple(values)) if short else found.isin(values)
        runs = self.runs[keep]
        return replace(self, runs=runs, cases=self.cases[self.cases["run"].isin(runs.index)])

    def named(self, names: Mapping[str, str | Recipe]) -> "Ledger":
        """The same runs, with one's own names for some recipes.

        Args:
            names: a name to a recipe, or to its text. One without runs does no harm.

        Raises:
            ValueError: where two recipes would share a name, or a recipe would have two; for a text that is
                no recipe.
        """
        return replace(self, runs=renamed(self.runs, names))

    def compare(
        self,
        methods: Sequence[str],
        metric: str = "dice",
        *,
        part: str | None = None,
        dataset: str | None = None,
        budget: str | None = None,
        labelled: int | None = None,
        baseline: str | None = None,
    ) -> "Comparison":
        """Hold methods against each other on the only terms that they share.

        Args:
            methods: by name or recipe; the comparison keeps their order.
            metric: a measure of cases (`medseg_lab.survey.measures`).
            part, dataset, budget, labelled: which runs; needed only where the methods share several terms.
            baseline: the method that the others are held against; by default the first.

        Raises:
            ValueError: if they share no terms or several, with what differs.
        """
        from medseg_lab.evaluation.terms import shared_standing

        names = tuple(dict.fromkeys(method_called(self.runs, name) for name in methods))
        held = None if baseline is None else method_called(self.runs, baseline)
        standing = shared_standing(self, names, part, dataset=dataset, budget=budget, labelled=labelled)
        return standing.comparison(metric, methods=names, baseline=held or names[0])


def read_ledger(root: Path | str | None = None) -> Ledger:
    """The ledger of a store; see `Ledger`. What cannot be read is left out, with a warning that names it."""
    store = run_store() if root is None else RunStore(root)
    with collector_paused():
        return ledger_of(store.runs(), store.root)


def ledger_of(runs: Sequence[Run], root: Path) -> Ledger:
    """The ledger of these runs, whose folders are in `root`."""
    return Ledger(root, *assembled(runs, root))
