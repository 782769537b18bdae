"""Methods side by side: mean, interval, and differences paired by case and seed.

A case's value is the mean of its foreground classes. Differences are taken case by case and seed by seed
against a baseline. Their interval covers seeds and cases; their p comes from Wilcoxon's signed rank test on
the patients' differences, averaged over the seeds, with Holm's correction over the methods. That test takes
the trainings as given, so p alone decides nothing (`medseg_lab.evaluation.statistics`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medseg_lab.evaluation.ranking import Ranking, rank_stability
from medseg_lab.evaluation.results import Results, collect, grid, with_penalty
from medseg_lab.evaluation.statistics import Resampling, holm, signed_rank
from medseg_lab.evaluation.wording import counted, joined, p_text, with_interval
from medseg_lab.survey.measures import measure


@dataclass(frozen=True)
class Comparison:
    """What `compare` found. Methods keep the order they were given in, which is no ranking.

    Args:
        metric: a measure of cases (`medseg_lab.survey.measures`).
        part: which cases: "validation", "test".
        baseline: the method that the others are compared with.
        methods, seeds, cases, classes: the axes of `values`.
        patients: the patient of each case.
        values: `(methods, seeds, cases, classes)`.
        penalised: how many infinite distances stand in `values` as the image's diagonal.
    """

    metric: str
    part: str
    baseline: str
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    cases: tuple[str, ...]
    patients: tuple[str, ...]
    classes: tuple[str, ...]
    values: NDArray
    penalised: int

    def of(self, method: str) -> NDArray:
        """A method's values, `(seeds, cases)`, as the mean over the classes."""
        if method not in self.methods:
            raise ValueError(f"method: expected one of {', '.join(self.methods)}, got {method!r}")
        return self.by_case[self.methods.index(method)]

    @cached_property
    def by_case(self) -> NDArray:
        """`(methods, seeds, cases)`: the mean over the classes."""
        return self.values.mean(axis=-1)

    @cached_property
    def resampling(self) -> Resampling:
        """The redrawn seeds and patients that all intervals and the ranking share."""
        return Resampling(len(self.seeds), self.patients)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a method: mean, low, high (95%), seeds, cases."""
        return self._rows(self.by_case, pd.Index(self.methods, name="method"))

    @cached_property
    def by_class(self) -> pd.DataFrame:
        """One row a method and class, as `table`."""
        values = np.moveaxis(self.values, -1, 1).reshape(-1, len(self.seeds), len(self.cases))
        return self._rows(
            values, pd.MultiIndex.from_product([self.methods, self.classes], names=["method", "class"])
        )

    @cached_property
    def differences(self) -> pd.DataFrame:
        """Every other method minus the baseline, as `paired` gives it."""
        return self.paired([(method, self.baseline) for method in self.methods if method != self.baseline])

    @cached_property
    def ranking(self) -> Ranking:
        """The methods' order, and how far it holds when seeds and patients are redrawn."""
        return rank_stability(self.by_case, self.methods, self.resampling, self.title, self.lower_is_better)

    def paired(self, pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
        """`first - second` for each pair: what differs, how surely.

        Returns:
            Columns first, second, mean, low, high, p, holm (p corrected over these pairs), agree (whether all
            seeds have the sign of the mean). With one seed, all but the mean are missing: one training of
            each method cannot tell methods apart.
        """
        pairs = list(pairs)
        values = np.array([self.of(first) - self.of(second) for first, second in pairs])
        values = values.reshape(-1, len(self.seeds), len(self.cases))
        frame = pd.DataFrame(pairs, columns=["first", "second"])
        frame["mean"] = values.mean(axis=(1, 2))
        several = len(self.seeds) > 1
        frame[["low", "high"]] = self.resampling.intervals(values) if several else np.nan
        frame["p"] = [signed_rank(row.mean(axis=0), self.patients) for row in values] if several else np.nan
        frame["holm"] = holm(frame["p"].to_numpy(dtype=float))
        signs = np.sign(values.mean(axis=2)) == np.sign(frame["mean"].to_numpy())[:, None]
        frame["agree"] = signs.all(axis=1) & several
        return frame

    @property
    def title(self) -> str:
        """The metric as a reader knows it, with unit."""
        return measure(self.metric).title

    @property
    def digits(self) -> int:
        """Decimals that are worth printing: tenths of a millimetre of a distance, thousandths of a share."""
        return measure(self.metric).digits

    @property
    def lower_is_better(self) -> bool:
        """True for distances and errors."""
        return measure(self.metric).better == "lower"

    def describe(self) -> str:
        """What the numbers are, in a few sentences: for a caption."""
        n, seeds = len(set(self.patients)), len(self.seeds)
        cases = counted(len(self.cases), f"{self.part} case")
        said = f"{self.title}, mean of {joined(self.classes)}; {cases} of {counted(n, 'patient')}; "
        said += "one seed, so no differences are tested." if seeds == 1 else f"{seeds} seeds."
        if n > 1:
            said += f" Brackets: 95% interval over {'cases' if seeds == 1 else 'seeds and cases'}."
        if seeds > 1 and n > 1:
            said += " p: Wilcoxon's test over patients, given these trainings."
        if seeds == 2 and n > 1:
            said += " Two seeds say little of how much trainings vary, so intervals may be too short."
        if self.penalised:
            said += (
                " Where one of two masks is empty there is no distance, and the image's diagonal stands for"
                f" it: {self.penalised} of {self.values.size} values."
            )
        return said

    def __str__(self) -> str:
        lines = [self.describe()]
        for row in self.table.reset_index().to_dict("records"):
            lines.append(f"{row['method']}: {with_interval(row)}")
        for row in self.differences.to_dict("records") if len(self.seeds) > 1 else ():
            said = f"{with_interval(row, signed=True)}, Holm p {p_text(row['holm'])}"
            lines.append(f"{row['first']} - {row['second']}: {said}")
        return "\n".join(lines)

    def _rows(self, values: NDArray, index: pd.Index) -> pd.DataFrame:
        low, high = self.resampling.intervals(values).T
        counts = {"seeds": len(self.seeds), "cases": len(self.cases)}
        return pd.DataFrame({"mean": values.mean(axis=(1, 2)), "low": low, "high": high, **counts}, index)


def compare(
    results: Mapping[str, Results],
    metric: str = "dice",
    *,
    part: str | None = None,
    baseline: str | None = None,
    across_labels: bool = False,
) -> Comparison:
    """Compare methods on the same cases and seeds.

    Args:
        results: a method's name to its runs (one a seed), or to a table of their cases with a column `seed`.
        metric: a measure of cases (`medseg_lab.survey.measures`).
        part: which cases; may be left out where the results hold one part.
        baseline: the method that the others are compared with; by default the first.
        across_labels: whether methods may have had different numbers of labelled patients.

    Raises:
        ValueError: where the comparison would not be fair or not possible, with the reason: other cohort,
            budget or judging, other cases or seeds, a metric that was not measured.
    """
    frame, penalised = with_penalty(collect(results, metric, part, across_labels), metric)
    methods = tuple(results)
    baseline = methods[0] if baseline is None else baseline
    if baseline not in methods:
        raise ValueError(f"baseline: expected one of {', '.join(methods)}, got {baseline!r}")
    part = str(frame["part"].iloc[0])
    return Comparison(metric, part, baseline, methods, penalised=penalised, **grid(frame, metric))
