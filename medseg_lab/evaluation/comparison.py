"""Methods side by side: mean, interval, and differences paired by case and seed.

A case's value is the mean of its foreground classes. Differences are taken case by case and seed by seed
against a baseline. Their interval covers seeds and cases (`medseg_lab.evaluation.resample`); their p comes
from Wilcoxon's signed rank test on the patients' differences, averaged over the seeds, with Holm's
correction over the methods.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medseg_lab.evaluation.metrics import LOWER_IS_BETTER, TITLES
from medseg_lab.evaluation.resample import interval
from medseg_lab.evaluation.results import Results, collect, with_penalty


@dataclass(frozen=True)
class Comparison:
    """What `compare` found. Methods keep the order they were given in: this is no ranking.

    Args:
        metric: one of `medseg_lab.evaluation.metrics.METRICS`.
        part: which cases: "validation", "test".
        baseline: the method that the others are held against.
        methods, seeds, cases, classes: the axes of `values`.
        patients: whose each case is.
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
            raise ValueError(f"method: got {method!r}, wanted one of {', '.join(self.methods)}")
        return self.values[self.methods.index(method)].mean(axis=-1)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a method: mean, low, high (95%), seeds, cases."""
        return pd.DataFrame(
            [self._row(self.of(m)) for m in self.methods], index=pd.Index(self.methods, name="method")
        )

    @cached_property
    def by_class(self) -> pd.DataFrame:
        """One row a method and class, as `table`."""
        rows = {
            (method, name): self._row(self.values[m, ..., k])
            for m, method in enumerate(self.methods)
            for k, name in enumerate(self.classes)
        }
        frame = pd.DataFrame(list(rows.values()))
        return frame.set_index(pd.MultiIndex.from_tuples(list(rows), names=["method", "class"]))

    @cached_property
    def differences(self) -> pd.DataFrame:
        """Every other method minus the baseline; see `paired`."""
        return self.paired([(method, self.baseline) for method in self.methods if method != self.baseline])

    def paired(self, pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
        """`first - second` for each pair: what differs, how surely.

        Returns:
            Columns first, second, mean, low, high, p, holm (p corrected over these pairs), agree (whether all
            seeds have the sign of the mean). With one seed, all but the mean are missing: one training each
            cannot tell methods apart.
        """
        rows = [self._difference(first, second) for first, second in pairs]
        frame = pd.DataFrame(rows, columns=["first", "second", "mean", "low", "high", "p", "agree"])
        frame.insert(6, "holm", _holm(frame["p"].to_numpy(dtype=float)))
        return frame

    @property
    def title(self) -> str:
        """The metric as a reader knows it, with unit."""
        return TITLES[self.metric]

    @property
    def digits(self) -> int:
        """Decimals that are worth printing: tenths of a millimetre of a distance, thousandths of a share."""
        return 1 if self.lower_is_better else 3

    @property
    def lower_is_better(self) -> bool:
        """True for distances."""
        return self.metric in LOWER_IS_BETTER

    def describe(self) -> str:
        """What the numbers stand for, in a few sentences: for a caption."""
        n, seeds = len(set(self.patients)), len(self.seeds)
        cases = counted(len(self.cases), f"{self.part} case")
        said = f"{self.title}, mean of {_joined(self.classes)}; {cases} of {counted(n, 'patient')}; "
        said += "one seed, so no differences are tested." if seeds == 1 else f"{seeds} seeds."
        if n > 1:
            said += f" Brackets: 95% interval over {'cases' if seeds == 1 else 'seeds and cases'}."
        if seeds > 1 and n > 1:
            said += " p: Wilcoxon's test over patients, given these trainings."
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

    def _row(self, values: NDArray) -> dict[str, float | int]:
        low, high = interval(values, self.patients)
        return {
            "mean": values.mean(),
            "low": low,
            "high": high,
            "seeds": len(self.seeds),
            "cases": len(self.cases),
        }

    def _difference(self, first: str, second: str) -> tuple[str, str, float, float, float, float, bool]:
        values = self.of(first) - self.of(second)
        mean = float(values.mean())
        if len(self.seeds) == 1:
            return first, second, mean, np.nan, np.nan, np.nan, False
        agree = bool((np.sign(values.mean(axis=1)) == np.sign(mean)).all())
        p = signed_rank(values.mean(axis=0), self.patients)
        return first, second, mean, *interval(values, self.patients), p, agree


def compare(
    results: Mapping[str, Results],
    metric: str = "dice",
    *,
    part: str | None = None,
    baseline: str | None = None,
) -> Comparison:
    """Hold methods against each other on the same cases and seeds.

    Args:
        results: a method's name to its runs (one a seed), or to a table of their cases with a column `seed`.
        metric: one of `medseg_lab.evaluation.metrics.METRICS`.
        part: which cases; may be left out where the results hold one part.
        baseline: the method that the others are held against; by default the first.

    Raises:
        ValueError: where the comparison would not be fair or not possible, with the reason: other cohort,
            budget or judging, other cases or seeds, a metric that was not measured.
    """
    frame, penalised = with_penalty(collect(results, metric, part), metric)
    methods = tuple(results)
    baseline = methods[0] if baseline is None else baseline
    if baseline not in methods:
        raise ValueError(f"baseline: got {baseline!r}, wanted one of {', '.join(methods)}")
    axes = {name: tuple(frame[name].drop_duplicates()) for name in ("case", "class")}
    seeds = tuple(sorted(frame["seed"].unique().tolist()))
    order = pd.MultiIndex.from_product([methods, seeds, axes["case"], axes["class"]])
    values = frame.set_index(["method", "seed", "case", "class"])[metric].reindex(order).to_numpy(dtype=float)
    owner = frame.drop_duplicates("case").set_index("case")["patient"]
    return Comparison(
        metric=metric,
        part=str(frame["part"].iloc[0]),
        baseline=baseline,
        methods=methods,
        seeds=seeds,
        cases=axes["case"],
        patients=tuple(str(owner[case]) for case in axes["case"]),
        classes=axes["class"],
        values=values.reshape(len(methods), len(seeds), len(axes["case"]), len(axes["class"])),
        penalised=penalised,
    )


def signed_rank(differences: NDArray, patients: Sequence[str]) -> float:
    """Wilcoxon's signed rank p of per-case differences; a patient's cases are averaged first."""
    from scipy.stats import wilcoxon

    per_patient = pd.Series(differences).groupby(np.asarray(patients)).mean().to_numpy()
    if not per_patient.any():
        return 1.0
    return float(wilcoxon(per_patient).pvalue)


def _holm(p: NDArray) -> NDArray:
    """Holm's correction; NaN stays NaN."""
    from statsmodels.stats.multitest import multipletests

    corrected, known = np.full(len(p), np.nan), ~np.isnan(p)
    if known.any():
        corrected[known] = multipletests(p[known], method="holm")[1]
    return corrected


def with_interval(row: Mapping[Any, Any], signed: bool = False, digits: int = 3) -> str:
    """A mean and its interval as printed: "0.853 [0.836, 0.868]"; the mean alone where there is none."""
    form = f"{'+' if signed else ''}.{digits}f"
    said = f"{row['mean']:{form}}"
    if not np.isnan(row["low"]):
        said += f" [{row['low']:{form}}, {row['high']:{form}}]"
    return said.replace("-", "−")


def p_text(p: float) -> str:
    """A p value as it is printed."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def counted(number: int, noun: str) -> str:
    """ "1 case", "3 cases"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
