"""A comparison as one table: means, differences, rank stability, and what each method cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from medseg_lab.evaluation.comparison import Comparison
from medseg_lab.evaluation.wording import p_text, with_interval

SMOKE = "smoke: proves that it runs, compares nothing"
COSTS = ("seconds", "peak_memory_mb", "parameters")


@dataclass(frozen=True)
class Summary:
    """A comparison with its terms.

    Args:
        comparison: what the table shows.
        heading: the terms of the comparison, in one line.
        terms: the same by name: dataset, labelled, budget, steps, voxels, cohort; empty where the comparison
            was not made from a ledger.
        costs: per method, in columns of `COSTS`.
        remarks: what was left out, and what differs between the runs.
    """

    comparison: Comparison
    heading: str
    terms: Mapping[str, Any]
    costs: pd.DataFrame
    remarks: tuple[str, ...] = ()

    @property
    def smoke(self) -> bool:
        """Whether the budget compares nothing."""
        return self.terms.get("budget") == "smoke"

    @property
    def title(self) -> str:
        """The heading, after a warning where the budget was smoke."""
        return f"{SMOKE}; {self.heading}" if self.smoke else self.heading

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The numbers, a row a method.

        Columns: mean, low, high (95%); difference to the baseline, difference_low, difference_high, p, holm,
        signed_rank (Wilcoxon's p, which takes the trainings as given);
        rank, rank_low, rank_high (95%), first (share of resamples in which it ranks first); seeds, cases;
        seconds of training, peak_memory_mb, parameters. Missing are the baseline's difference, and with one
        seed the differences' intervals and all ranks: one training of each makes no ranking.
        """
        found = self.comparison
        frame = found.table[["mean", "low", "high"]].copy()
        other = found.differences.set_index("first")[["mean", "low", "high", "p", "holm", "signed_rank"]]
        ends = {"mean": "difference", "low": "difference_low", "high": "difference_high"}
        other = other.rename(columns=ends)
        frame = frame.join(other)
        ranks = found.ranking.table.rename(columns={"low": "rank_low", "high": "rank_high", "best": "first"})
        ranks = ranks[["rank", "rank_low", "rank_high", "first"]]
        frame = frame.join(ranks if self._tested else ranks.astype(float) * float("nan"))
        frame = frame.join(found.table[["seeds", "cases"]])
        return frame.join(self.costs.reindex(columns=list(COSTS)))

    @cached_property
    def words(self) -> dict[str, list[str]]:
        """The table as it is printed: a heading to a cell for each method; no column that would be empty.

        A line break in a cell may be printed as a space where there is room.
        """
        found, rows = self.comparison, self.frame.reset_index().to_dict("records")

        def interval(row: Mapping[Any, Any], mean: str, low: str, high: str, signed: bool = False) -> str:
            if pd.isna(row[mean]):
                return ""
            ends = {"mean": row[mean], "low": row[low], "high": row[high]}
            return with_interval(ends, signed, found.digits).replace(" ", "\n", 1)

        columns = {
            "method": [str(row["method"]) for row in rows],
            f"{found.title}\n[95%]": [interval(row, "mean", "low", "high") for row in rows],
        }
        if self._tested:
            ends = "difference", "difference_low", "difference_high"
            columns[f"minus {found.baseline}\n[95%]"] = [interval(row, *ends, signed=True) for row in rows]
        if self._ranked:
            columns["Holm p"] = ["" if pd.isna(row["holm"]) else p_text(row["holm"]) for row in rows]
            columns["rank\n[95%]"] = [_rank(row) for row in rows]
            columns["first"] = [f"{row['first']:.0%}" for row in rows]
        columns["seeds"] = [str(row["seeds"]) for row in rows]
        columns["cases"] = [str(row["cases"]) for row in rows]
        if self.costs.notna().any(axis=None):
            for head, name in zip(("training", "memory", "para-\nmeters"), COSTS, strict=True):
                columns[head] = [_amount(row[name], UNITS[name]) for row in rows]
        return columns

    @property
    def explanation(self) -> str:
        """What the numbers are."""
        ranks = " rank: with seeds and patients redrawn; first: share of these draws in which a method leads."
        return self.comparison.describe() + (ranks if self._ranked else "")

    @property
    def caption(self) -> str:
        """The explanation, then the remarks, as sentences."""
        return " ".join([self.explanation, *(f"{said[:1].upper()}{said[1:]}." for said in self.remarks)])

    @property
    def _tested(self) -> bool:
        """Whether there are differences: of several methods, trained more than once."""
        return len(self.comparison.seeds) > 1 and len(self.comparison.methods) > 1

    @property
    def _ranked(self) -> bool:
        """Whether they are more than numbers: of several patients, too."""
        return self._tested and self.comparison.ranking.told


UNITS = {
    "seconds": ((7200, 3600, "h"), (120, 60, "min"), (0, 1, "s")),
    "peak_memory_mb": ((1e3, 1e3, "GB"), (0, 1, "MB")),
    "parameters": ((1e6, 1e6, "M"), (1e3, 1e3, "k"), (0, 1, "")),
}
"""Of each cost: from which value on, how much, called what."""


def summary(found: Comparison) -> Summary:
    """The summary of a comparison alone; `Standing.summary` knows terms and costs."""
    costs = pd.DataFrame(index=list(found.methods), columns=list(COSTS), dtype=float)
    return Summary(found, f"{found.title}, {found.part} part", {}, costs)


def _rank(row: Mapping[Any, Any]) -> str:
    return f"{row['rank']:g}\n[{row['rank_low']:g}, {row['rank_high']:g}]"


def _amount(value: float, units: Sequence[tuple[float, float, str]]) -> str:
    """Two digits or more, in the largest unit that fits."""
    if pd.isna(value):
        return ""
    size, unit = next((size, unit) for least, size, unit in units if value >= least)
    return f"{value / size:.{0 if value / size >= 9.95 else 1}f} {unit}".rstrip()
