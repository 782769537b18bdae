"""Methods side by side: mean, interval, and differences paired by case and seed.

A case's value is the mean of its foreground classes, of those that count (`medseg_lab.evaluation.results`);
a patient's is the mean of their cases. Differences are taken patient by patient and seed by seed against a
baseline. Mean, interval and p come from one model in which trainings and patients both vary
(`medseg_lab.evaluation.crossed`), with Holm's correction over the methods; an interval ends where the measure
does: no Dice is above 1. Two displays rest on other
assumptions and decide nothing: the order of methods and its stability, from redrawn seeds and patients, and
the p of Wilcoxon's signed rank test, which takes these trainings as given
(`medseg_lab.evaluation.statistics`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import compress

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medseg_lab.data.wording import counted
from medseg_lab.evaluation.crossed import estimate
from medseg_lab.evaluation.ranking import Ranking, rank_stability
from medseg_lab.evaluation.results import Absent, Results, collect, grid, per_patient, with_penalty
from medseg_lab.evaluation.statistics import Resampling, holm, signed_rank
from medseg_lab.evaluation.wording import joined, p_text, with_interval
from medseg_lab.survey.measures import measure

DECIMALS = 12
"""Differences are rounded to so many: what is smaller is the noise of summation, and not to be tested."""
NAMED = 3
"""So many methods that predicted what no case has are named; the rest are counted."""
TRAININGS = "trainings and patients; another training by itself may well fall outside"


@dataclass(frozen=True)
class Comparison:
    """What `compare` found. Methods keep the order they were given in, which is no ranking.

    Args:
        metric: a measure of cases (`medseg_lab.survey.measures`).
        part: which cases: "validation", "test".
        baseline: the method that the others are compared with.
        methods, seeds, cases, classes: the axes of `values`.
        patients: the patient of each case.
        values: `(methods, seeds, cases, classes)`; NaN, for all methods alike, where a class does not count
            (`medseg_lab.evaluation.results`).
        judged: all cases that were judged; in those of `cases` a class counts.
        penalised: how many infinite distances stand in `values` as the image's diagonal.
        absent: the classes that no case has, which are left out.
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
    judged: tuple[str, ...]
    penalised: int
    absent: tuple[Absent, ...] = ()

    def of(self, method: str) -> NDArray:
        """A method's values, `(seeds, cases)`, as the mean over the classes."""
        return self.by_case[self._place(method)]

    def of_patients(self, method: str) -> NDArray:
        """A method's values, `(seeds, patients)`: what means, intervals and tests rest on."""
        return self.by_patient[self._place(method)]

    @cached_property
    def by_case(self) -> NDArray:
        """`(methods, seeds, cases)`: the mean over the classes that count."""
        return np.nanmean(self.values, axis=-1)

    @cached_property
    def counts(self) -> dict[str, int]:
        """For each class, the number of cases that count."""
        counting = ~np.isnan(self.values[0, 0])
        return dict(zip(self.classes, counting.sum(axis=0).tolist(), strict=True))

    @cached_property
    def by_patient(self) -> NDArray:
        """`(methods, seeds, patients)`: the mean over a patient's cases."""
        return per_patient(self.by_case, self.patients)

    @cached_property
    def resampling(self) -> Resampling:
        """The redrawn seeds and patients that the ranking and the shares of a gap rest on."""
        return Resampling(*self.by_patient.shape[1:])

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a method: mean, low, high (95%), seeds, cases."""
        return self._rows(self.by_patient, len(self.cases)).set_index(pd.Index(self.methods, name="method"))

    @cached_property
    def by_class(self) -> pd.DataFrame:
        """One row a method and class, as `table`; cases are those that count for the class."""
        tables = {}
        for k, name in enumerate(self.classes):
            counting = ~np.isnan(self.values[0, 0, :, k])
            patients = tuple(compress(self.patients, counting))
            found = self._rows(per_patient(self.values[:, :, counting, k], patients), len(patients))
            tables[name] = found.set_index(pd.Index(self.methods, name="method"))
        table = pd.concat(tables, names=["class"]).swaplevel()
        return table.reindex(
            pd.MultiIndex.from_product([self.methods, self.classes], names=table.index.names)
        )

    @cached_property
    def differences(self) -> pd.DataFrame:
        """Every other method minus the baseline, as `paired` gives it."""
        return self.paired([(method, self.baseline) for method in self.methods if method != self.baseline])

    @cached_property
    def ranking(self) -> Ranking:
        """The methods' order, and how far it holds when seeds and patients are redrawn."""
        return rank_stability(
            self.by_patient, self.methods, self.resampling, self.title, self.lower_is_better
        )

    def paired(self, pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
        """`first - second` for each pair: what differs, how surely.

        Returns:
            Columns first, second, mean, low, high, p, holm (p corrected over these pairs), signed_rank (p of
            Wilcoxon's test over patients, given these trainings: a display). With one seed, all but the mean
            are missing: one training of each method cannot tell methods apart.
        """
        pairs = list(pairs)
        apart = [self.of_patients(first) - self.of_patients(second) for first, second in pairs]
        values = np.reshape(apart, (-1, *self.by_patient.shape[1:])).round(DECIMALS)
        found, several = estimate(values), len(self.seeds) > 1
        frame = pd.DataFrame(pairs, columns=["first", "second"])
        least, most = measure(self.metric).range
        frame["mean"] = found.mean
        for name in ("low", "high", "p"):
            frame[name] = getattr(found, name) if several else np.nan
        frame["low"], frame["high"] = frame["low"].clip(least - most), frame["high"].clip(upper=most - least)
        frame["holm"] = holm(frame["p"].to_numpy(dtype=float))
        frame["signed_rank"] = [signed_rank(row.mean(axis=0)) for row in values] if several else np.nan
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
        if len(self.judged) > len(self.cases) or min(self.counts.values()) < len(self.cases):
            of = [f"{name} {number}" for name, number in self.counts.items()]
            said += (
                " A case counts for a class that is there or that a method predicted: of"
                f" {len(self.judged)} judged, {joined(of)}."
            )
        said += "".join(f" {self._said(one)}" for one in self.absent)
        if n > 1:
            said += f" Brackets: 95% interval of the mean over {'patients' if seeds == 1 else TRAININGS}."
        if seeds > 1 and n > 1:
            said += " p: from the same model of trainings and patients."
        if seeds == 2 and n > 1:
            said += " Two seeds say little of how much trainings vary."
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

    def _said(self, one: Absent) -> str:
        """A sentence on a class that no case has."""
        drawn = sorted(one.drawn.items(), key=lambda item: -item[1])
        by = [f"{method} ({number})" for method, number in drawn[:NAMED]]
        by += [f"{counted(len(drawn) - NAMED, 'more method')}"] if len(drawn) > NAMED else []
        said = f"{one.name} is in no {self.part} case, and left out of the mean"
        return f"{said}; cases in which it was predicted: {joined(by)}." if by else f"{said}."

    def _place(self, method: str) -> int:
        if method not in self.methods:
            raise ValueError(f"method: expected one of {', '.join(self.methods)}, got {method!r}")
        return self.methods.index(method)

    def _rows(self, values: NDArray, cases: int) -> pd.DataFrame:
        """Of `(methods, seeds, patients)`."""
        found, (least, most) = estimate(values), measure(self.metric).range
        ends = {"low": found.low.clip(min=least), "high": found.high.clip(max=most)}
        return pd.DataFrame({"mean": found.mean, **ends, "seeds": len(self.seeds), "cases": cases})


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
    frame, absent = collect(results, metric, part, across_labels)
    frame, penalised = with_penalty(frame, metric)
    methods = tuple(results)
    baseline = methods[0] if baseline is None else baseline
    if baseline not in methods:
        raise ValueError(f"baseline: expected one of {', '.join(methods)}, got {baseline!r}")
    part = str(frame["part"].iloc[0])
    found = grid(frame, metric)
    return Comparison(metric, part, baseline, methods, penalised=penalised, absent=absent, **found)
