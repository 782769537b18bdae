"""Runs for the record: folders as trainings leave them, with the sources that this library has now."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medseg_lab.evaluation.judge import Judge
from medseg_lab.evaluation.naming import recipe_called
from medseg_lab.training.key import LOOP
from medseg_lab.training.notation import parse
from medseg_lab.training.provenance import sources
from medseg_lab.training.run import Run
from tests.evaluation.stored import store_run


def current_sources(method: str) -> dict[str, str]:
    """Of training a method, as they are here."""
    return sources({*LOOP, *parse(recipe_called(method)).modules})


def judge_sources(method: str) -> dict[str, str]:
    """What judging it adds."""
    training = current_sources(method)
    return {name: found for name, found in sources([Judge.__module__]).items() if name not in training}


def finished(
    root: Path,
    method: str = "U-Net",
    seed: int = 0,
    *,
    unlabelled: int = 0,
    draw: int = 0,
    activity: dict[str, float] | None = None,
    **terms: Any,
) -> Run:
    """A run with this library's sources, and curves of 300 steps."""
    run = store_run(root, method, seed, **{"sources": current_sources(method), **terms})
    facts = json.loads((run.folder / "run.json").read_text())
    facts["parts"]["judge_sources"] = judge_sources(method)
    facts["cohort"] |= {"unlabelled": unlabelled, "draw": draw}
    facts["activity"] = activity or {}
    (run.folder / "run.json").write_text(json.dumps(facts))
    steps = np.arange(300)
    curves = {"step": steps, "seconds": steps / 10, "lr": 0.004, "loss": np.exp(-steps / 100)}
    pd.DataFrame(curves).to_csv(run.folder / "curves.csv", index=False)
    return run


def noisy(dice: float, seed: int, cases: int = 40) -> list[float]:
    """Scores whose digits do not repeat."""
    return np.clip(np.random.default_rng(seed).normal(dice, 0.05, cases), 0, 1).tolist()
