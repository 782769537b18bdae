"""A ledger with invented results, for the page of standings."""

from pathlib import Path

import numpy as np
import pandas as pd

from medseg_lab.evaluation.ledger import Ledger
from medseg_lab.evaluation.naming import recipe_called

STEPS = {"smoke": 3, "class": 300, "full": 20_000}
CLASSES = ("ring", "disc")
METHODS = {"FCN-8s": 0.6, "U-Net": 0.8, "3D U-Net": 0.805}
"""Methods with a mean Dice each."""


def toy_ledger(
    methods: dict[str, float],
    *,
    dataset: str = "virtual-brain",
    budget: str = "class",
    seeds: int = 2,
    cases: int = 10,
    part: str = "test",
    distances: bool = True,
    rng: int = 0,
) -> Ledger:
    """Runs of these methods, a mean Dice each; a case's difficulty and a little noise are added."""
    draw = np.random.default_rng(rng)
    hard = draw.normal(0, 0.05, cases)
    runs, rows = {}, []
    for number, (method, mean) in enumerate(methods.items()):
        for seed in range(seeds):
            run = f"{dataset}-{budget}-{part}-{number}-{seed}"
            runs[run] = _run(method, dataset, budget, part, seed, number)
            dice = np.clip(mean + hard[:, None] + draw.normal(0, 0.02, (cases, 2)), 0, 1)
            for case in range(cases):
                for k, name in enumerate(CLASSES):
                    hd95 = 30 * (1 - dice[case, k]) if distances else np.nan
                    found = {"dice": dice[case, k], "iou": dice[case, k] / 2, "hd95": hd95, "diagonal": 100.0}
                    where = {"run": run, "part": part, "case": f"case-{case}", "patient": f"case-{case}"}
                    rows.append({**where, "class": name, **found})
    frame = pd.DataFrame.from_dict(runs, orient="index").rename_axis("run")
    return Ledger(Path("store"), frame, pd.DataFrame(rows))


def together(*ledgers: Ledger, superseded: tuple[str, ...] = ()) -> Ledger:
    """The runs of several ledgers in one."""
    runs = pd.concat([ledger.runs for ledger in ledgers])
    cases = pd.concat([ledger.cases for ledger in ledgers], ignore_index=True)
    return Ledger(Path("store"), runs, cases, superseded)


def nothing() -> Ledger:
    """A ledger without a run."""
    full = toy_ledger({"U-Net": 0.8})
    return Ledger(Path("store"), full.runs[:0], full.cases[:0])


def _run(method: str, dataset: str, budget: str, part: str, seed: int, number: int) -> dict[str, object]:
    return {
        "method": method,
        "recipe": recipe_called(method),
        "dataset": dataset,
        "cohort": f"c0ffee{dataset}",
        "held_out": f"beef{dataset}",
        "labelled": 35,
        "budget": budget,
        "steps": STEPS[budget],
        "voxels": 100_000,
        "patch": 64,
        "unlabelled": 0,
        "draw": 0,
        "dims": 3,
        "seed": seed,
        "judge": "a judge",
        "parts": (part,),
        "seconds": 20.0 + 10 * number + seed,
        "judge_seconds": 1.0,
        "peak_memory_mb": 900.0,
        "step_flops": 10**9,
        "seen": 98_304,
        "activity": {},
        "parameters": 1000 * (number + 1),
        "device": "cpu",
        "base": "",
        "started": "2026-01-01T00:00:00",
    }
