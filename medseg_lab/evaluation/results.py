"""Results gathered from runs for a comparison, and refused where they must not be compared.

**Which cases count.** A case counts for a class if the class is there, or if any method that is compared
predicted it with any seed. Elsewhere no method has a value (`medseg_lab.evaluation.metrics`), and the case
enters no mean of this class. Where only some predicted it, the others were right, and have the best value
that the measure can take: a Dice of 1 beside the 0 of the one that drew. So all methods of a comparison are
held against each other on the same cases, and which these are depends on who is compared: a method that draws
where nothing is brings a case in. A case in which no class counts is left out.

**Which classes count.** Those that some case has. A class that is in none of them could only reward whoever
draws nothing: it is left out of all means, and named (`Absent`). Scores tell it: where the class is, every
run has a value. Where every run drew a class that is not there, all have 0, as if all had missed it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medseg_lab.evaluation.metrics import DISTANCES, METRICS, OVERLAPS, UNBOUNDED
from medseg_lab.evaluation.wording import joined
from medseg_lab.survey.measures import measure, measures

if TYPE_CHECKING:
    from medseg_lab.training.run import Run

AXES = ("method", "seed", "case", "class")


Results = Sequence["Run"] | pd.DataFrame
"""Runs, one a seed, or a table of their cases with a column `seed`."""


@dataclass(frozen=True)
class Absent:
    """A class that no scored case has.

    Args:
        name: of the class.
        drawn: by method, in how many cases it was predicted all the same; of those that did.
    """

    name: str
    drawn: Mapping[str, int]


def collect(
    results: Mapping[str, Results], metric: str, part: str | None = None, across_labels: bool = False
) -> tuple[pd.DataFrame, tuple[Absent, ...]]:
    """All methods' results on one part: a table with method, seed, part, case, patient, class and metrics.

    A metric that has values for some classes only (`rarest_dice`) keeps the rows of these. Values are missing
    (NaN) where a class is neither there nor predicted. Classes that no case has are returned beside it.

    Args:
        results: a method's name to its runs, or to a table of their cases.
        metric: which must have been measured.
        part: which cases; may be left out where the results hold one part.
        across_labels: whether the training labels may differ; what is scored may not.

    Raises:
        ValueError: where a comparison would not be fair, with the reason.
    """
    known = [one.id for one in measures() if one.per == "case"]
    if metric not in known:
        raise ValueError(f"metric: expected one of {', '.join(known)}, got {metric!r}")
    if not results:
        raise ValueError("results: expected at least one method, got none")
    _same_conditions(results, across_labels)
    frame = pd.concat([_table(name, result) for name, result in results.items()], ignore_index=True)
    if "part" not in frame:
        frame["part"] = "cases"
    frame = _one_part(frame, part, tuple(results))
    if metric not in frame or _unmeasured(frame, metric):
        why = ": a distance needs the case's spacing in mm" if metric in DISTANCES else ""
        raise ValueError(f"{metric}: not measured on every case{why}")
    if not frame[metric].notna().any():
        raise ValueError(f"{metric}: no class is in any case, and no method predicted one")
    absent = _absent(frame, metric)
    frame = frame[frame[metric].groupby(frame["class"]).transform("count") > 0]
    frame = frame[~frame["class"].isin([one.name for one in absent])]
    if frame.empty:
        names = joined([one.name for one in absent])
        raise ValueError(f"{metric}: no {part or 'scored'} case has {names}, so methods cannot be told apart")
    return frame, absent


def with_penalty(frame: pd.DataFrame, metric: str) -> tuple[pd.DataFrame, int]:
    """Infinite distances replaced by the image's diagonal, so that a mean is finite; and their number."""
    missed = np.isinf(frame[metric].to_numpy(dtype=float))
    if metric in UNBOUNDED and missed.any():
        if "diagonal" not in frame:
            raise ValueError(
                f"{metric}: some distances are infinite, and the images' diagonals are not known"
            )
        frame = frame.assign(**{metric: frame[metric].where(~missed, frame["diagonal"])})
    return frame, int(missed.sum())


def grid(frame: pd.DataFrame, metric: str) -> dict[str, Any]:
    """A table of `collect` as an array, and its axes: what a `Comparison` takes.

    Seeds are sorted; all else keeps its order. Of cases, those are kept in which a class counts; where one
    does not count, the values of all methods are NaN.

    Raises:
        ValueError: where a method lacks a seed, a case or a class, or has one twice.
    """
    coded = {name: pd.factorize(frame[name], sort=name == "seed") for name in AXES}
    shape = tuple(len(names) for _, names in coded.values())
    cell = np.ravel_multi_index([codes for codes, _ in coded.values()], shape)
    if len(frame) != math.prod(shape) or np.bincount(cell).max() > 1:
        _explain(frame)
    values = np.empty(len(frame))
    values[cell] = frame[metric]
    values = values.reshape(shape)
    counts = np.asarray((~np.isnan(values)).any(axis=(0, 1)))  # (cases, classes)
    values[np.isnan(values) & counts] = measure(metric).empty
    kept = np.asarray(counts.any(axis=1))
    seeds, cases, classes = (tuple(coded[name][1].tolist()) for name in AXES[1:])
    patients = map(str, frame.drop_duplicates("case")["patient"])
    return {
        "seeds": seeds,
        "cases": tuple(compress(cases, kept)),
        "patients": tuple(compress(patients, kept)),
        "classes": classes,
        "values": values[:, :, kept],
        "judged": cases,
    }


def per_patient(values: NDArray, patients: Sequence[str]) -> NDArray:
    """The mean over each patient's cases, `(..., patients)`, in the order in which they are first met.

    Args:
        values: `(..., cases)`.
        patients: the patient of each case.
    """
    codes, names = pd.factorize(np.asarray(patients))
    share = (codes[:, None] == np.arange(len(names))).astype(float)
    means: NDArray = values @ (share / share.sum(axis=0))
    return means


def _absent(frame: pd.DataFrame, metric: str) -> tuple[Absent, ...]:
    """The classes that no case has: in every case some run has no value, since it rightly drew nothing."""
    if measure(metric).empty is None:
        return ()
    scored = frame[metric].notna()
    everywhere = scored.groupby([frame["class"], frame["case"]], sort=False).all()
    there = everywhere.groupby(level=0, sort=False).any()
    found = []
    for name in there.index[~there]:
        drew = frame[scored & (frame["class"] == name)].groupby("method", sort=False)["case"].nunique()
        # what has values for some classes only lacks the others by design
        if metric in METRICS or len(drew):
            found.append(Absent(str(name), {str(method): int(number) for method, number in drew.items()}))
    return tuple(found)


def _unmeasured(frame: pd.DataFrame, metric: str) -> bool:
    """Whether a value is missing for another reason than that a class is neither there nor predicted."""
    missing = frame[metric].isna()
    if not missing.any():
        return False
    # every judge gives overlaps: a method without any drew nothing where nothing was
    if metric not in OVERLAPS and (of := frame.groupby("method")[metric].count()).min() == 0 < of.max():
        return True
    if metric in DISTANCES:  # where a spacing is not known, neither is the diagonal
        return "diagonal" not in frame or bool(frame["diagonal"].isna().any())
    if measure(metric).empty is None:  # what no method has is left out
        some = (~missing).groupby([frame["case"], frame["class"]]).transform("any")
        return bool((missing & some).any() or missing.all())
    # of one class only (`rarest_dice`), and not of the same one for all methods
    classes = frame[~missing].groupby("method")["class"].agg(set)
    return len(classes) > 1 and not set.intersection(*classes)


def _conditions(run: "Run", across_labels: bool) -> dict[str, Any]:
    """What must be the same for two runs to be compared, by name.

    Which parts the judge scored may differ: on a part that both have, they were scored alike. So may, if
    asked for, the training labels: then the cohorts must agree in what is held out.
    """
    found = {name: run.record.parts[name] for name in ("cohort", "budget", "judge")}
    if across_labels:
        found["cohort"] = run.record.cohort.held_out
    if isinstance(judge := found["judge"], Mapping):
        arguments = {name: value for name, value in judge.get("arguments", {}).items() if name != "parts"}
        found["judge"] = {**judge, "arguments": arguments}
    return found


def _same_conditions(results: Mapping[str, Results], across_labels: bool) -> None:
    first: tuple[str, dict[str, Any]] | None = None
    for name, result in results.items():
        for run in [] if isinstance(result, pd.DataFrame) else result:
            found = _conditions(run, across_labels)
            first = first or (name, found)
            for what, value in found.items():
                if value != first[1][what]:
                    raise ValueError(
                        f"{name} and {first[0]} cannot be compared: their {what} differ, "
                        f"{value!r} and {first[1][what]!r}"
                    )


def _table(name: str, result: Results) -> pd.DataFrame:
    if isinstance(result, pd.DataFrame):
        if "seed" not in result:
            raise ValueError(f"{name}: the table has no column 'seed', which pairing needs")
        return result.assign(method=name)
    if not result:
        raise ValueError(f"{name}: expected at least one run, got none")
    tables = []
    for run in result:
        if run.cases is None:
            raise ValueError(f"{name}: a run has no cases; it was trained without a judge")
        tables.append(run.cases.assign(seed=run.record.seed))
    return pd.concat(tables).assign(method=name)


def _one_part(frame: pd.DataFrame, part: str | None, methods: Sequence[str]) -> pd.DataFrame:
    parts = sorted(frame["part"].unique())
    if not parts:
        raise ValueError("results: expected at least one case, got none")
    if part is None and len(parts) > 1:
        raise ValueError(f"part: the results hold {', '.join(parts)}; name the one to compare")
    part = parts[0] if part is None else part
    if part not in parts:
        raise ValueError(f"part: expected one of {', '.join(parts)}, got {part!r}")
    kept = frame[frame["part"] == part]
    for method in methods:
        if method not in set(kept["method"]):
            held = sorted(frame.loc[frame["method"] == method, "part"].unique())
            raise ValueError(f"part: {method} was judged on {', '.join(held) or 'no case'}, not on {part}")
    return kept


def _explain(frame: pd.DataFrame) -> NoReturn:
    """Say what is missing, or there twice."""
    keys = ["method", "seed", "part", "case", "class"]
    if (again := frame.duplicated(keys)).any():
        raise ValueError(f"results: two values for {frame.loc[again, keys].iloc[0].to_dict()}")
    for what in ("seed", "case", "class"):
        wanted = set(frame[what])
        for key, group in frame.groupby(["method"] if what == "seed" else ["method", "seed"], sort=False):
            if missing := wanted - set(group[what]):
                who = ", seed ".join(map(str, key))
                lacks = sorted(missing)[:3]
                raise ValueError(f"{what}: {who} lacks {lacks}; pairing needs the same for all methods")
    raise ValueError("results: some cases lack a class; pairing needs the same for all methods")
