"""Ledgers made by hand, in which one side is ahead of the other by a known amount."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medseg_lab.evaluation.ledger import COLUMNS, Ledger

TERMS: dict[str, Any] = {
    "dataset": "virtual-brain",
    "cohort": "all",
    "held_out": "same",
    "labelled": 20,
    "unlabelled": 0,
    "dims": 3,
    "budget": "class",
    "draw": 0,
    "steps": 300,
    "voxels": 100_000,
    "patch": 64,
    "judge": "Judge()",
    "parts": ("validation",),
    "seconds": 10.0,
    "judge_seconds": 1.0,
    "peak_memory_mb": 500.0,
    "step_flops": 10**9,
    "seen": 100_000,
    "activity": {},
    "parameters": 1000,
    "pair_memory_mb": 1.0,
    "device": "cpu",
    "base": "",
    "started": "2026-01-01T00:00:00+00:00",
}


def runs(
    method: str,
    ahead: float | Sequence[float] = 0.0,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    cases: int = 10,
    metric: str = "dice",
    spread: float = 0.001,
    **terms: Any,
) -> list[dict[str, Any]]:
    """Runs of one method that are `ahead` of the common level, in `metric`, seed by seed."""
    shifts = np.broadcast_to(ahead, len(seeds))
    return [
        {**TERMS, "method": method, "recipe": method, "seed": seed, **terms}
        | {"made": (float(shift), cases, metric, spread)}
        for seed, shift in zip(seeds, shifts, strict=True)
    ]


def ledger(*groups: list[dict[str, Any]]) -> Ledger:
    """The ledger of these runs."""
    rows, tables = [], []
    for number, run in enumerate(one for group in groups for one in group):
        name = f"{number:016x}"
        rows.append({"run": name, **{column: run[column] for column in COLUMNS if column != "run"}})
        tables += [_cases(name, run, part) for part in run["parts"]]
    columns = ["run", "part", "case", "patient", "class", "diagonal"]
    cases = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    return Ledger(Path("store"), pd.DataFrame(rows, columns=COLUMNS).set_index("run"), cases)


def _cases(name: str, run: Mapping[str, Any], part: str) -> pd.DataFrame:
    ahead, cases, metric, spread = run["made"]
    level = np.random.default_rng(0).uniform(0.5, 0.8, size=cases)
    own = np.random.default_rng(int(name, 16) + 1).normal(0, spread, size=cases)
    return pd.DataFrame(
        {
            "run": name,
            "part": part,
            "case": [f"c{c}" for c in range(cases)],
            "patient": [f"p{c}" for c in range(cases)],
            "class": "organ",
            metric: level + ahead + own,
            "diagonal": 100.0,
        }
    )
