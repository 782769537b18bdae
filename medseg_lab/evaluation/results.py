"""Runs gathered into one table of cases, and refused where they must not be compared."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from medseg_lab.evaluation.metrics import DISTANCES, UNBOUNDED
from medseg_lab.survey.measures import measures


class Judged(Protocol):
    """What a comparison asks of a run (`medseg_lab.training.runs.Run`)."""

    @property
    def record(self) -> Any:
        """The run's facts as in `run.json`."""

    @property
    def cases(self) -> pd.DataFrame | None:
        """The judge's table."""


Results = Sequence[Judged] | pd.DataFrame


def collect(
    results: Mapping[str, Results], metric: str, part: str | None = None, across_labels: bool = False
) -> pd.DataFrame:
    """All methods' results on one part: a table with method, seed, part, case, patient, class and metrics.

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
        raise ValueError(f"metric: got {metric!r}, wanted one of {', '.join(known)}")
    if not results:
        raise ValueError("results: got no method, wanted one or more")
    _same_conditions(results, across_labels)
    frame = pd.concat([_table(name, result) for name, result in results.items()], ignore_index=True)
    if "part" not in frame:
        frame["part"] = "cases"
    frame = _one_part(frame, part, tuple(results))
    if metric not in frame or frame[metric].isna().any():
        wanted = "a distance needs the spacing in mm of each" if metric in DISTANCES else "wanted it on each"
        raise ValueError(f"{metric}: not measured on every case; {wanted}")
    return frame


def with_penalty(frame: pd.DataFrame, metric: str) -> tuple[pd.DataFrame, int]:
    """Infinite distances replaced by the image's diagonal, so that a mean is finite; and their number."""
    missed = np.isinf(frame[metric].to_numpy(dtype=float))
    if metric in UNBOUNDED and missed.any():
        if "diagonal" not in frame:
            raise ValueError(f"{metric}: got infinite distances, wanted the images' diagonals in their place")
        frame = frame.assign(**{metric: frame[metric].where(~missed, frame["diagonal"])})
    return frame, int(missed.sum())


def conditions(run: Judged, across_labels: bool = False) -> dict[str, Any]:
    """What must be the same for two runs to be compared, by name.

    Which parts the judge scored may differ: on a part that both have, they were scored alike. So may, if
    asked for, the training labels: then the cohorts must agree in what is held out.
    """
    parts = run.record.parts
    found = {name: parts[name] for name in ("cohort", "budget", "judge")}
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
            found = conditions(run, across_labels)
            first = first or (name, found)
            for what, value in found.items():
                if value != first[1].get(what):
                    raise ValueError(
                        f"{name} and {first[0]} cannot be compared: their {what} differ, "
                        f"{value!r} and {first[1].get(what)!r}"
                    )


def _table(name: str, result: Results) -> pd.DataFrame:
    if isinstance(result, pd.DataFrame):
        if "seed" not in result:
            raise ValueError(f"{name}: got a table without a column 'seed', wanted one, for pairing")
        return result.assign(method=name)
    if not result:
        raise ValueError(f"{name}: got no run, wanted one or more")
    tables = []
    for run in result:
        if run.cases is None:
            raise ValueError(f"{name}: a run has no cases; it was trained without a judge")
        tables.append(run.cases.assign(seed=run.record.seed))
    return pd.concat(tables).assign(method=name)


def _one_part(frame: pd.DataFrame, part: str | None, methods: Sequence[str]) -> pd.DataFrame:
    parts = sorted(frame["part"].unique())
    if not parts:
        raise ValueError("results: got no case, wanted one or more")
    if part is None and len(parts) > 1:
        raise ValueError(f"part: the results hold {', '.join(parts)}; name the one to compare")
    part = parts[0] if part is None else part
    if part not in parts:
        raise ValueError(f"part: got {part!r}, wanted one of {', '.join(parts)}")
    kept = frame[frame["part"] == part]
    for method in sorted(set(methods) - set(kept["method"].unique()), key=methods.index):
        held = sorted(frame.loc[frame["method"] == method, "part"].unique())
        raise ValueError(f"part: {method} was judged on {', '.join(held) or 'no case'}, wanted {part}")
    return kept
