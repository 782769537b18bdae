"""Run folders written by hand, as trainings leave them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from medseg_lab.evaluation.naming import recipe_called
from medseg_lab.training.budget import Budget, budget
from medseg_lab.training.hardware import Hardware
from medseg_lab.training.key import key_of
from medseg_lab.training.notation import parse, written
from medseg_lab.training.record import CohortFacts, RunRecord, TaskFacts
from medseg_lab.training.run import Run

CPU = Hardware(device="cpu", name="a processor", precision="32-true", threads=1, processes=1)
COSTS = {
    "parameters": 1000,
    "step_flops": 10**9,
    "seconds": 60.0,
    "judge_seconds": 5.0,
    "peak_memory_mb": 900.0,
}
CLASSES = ("disc", "ring")


def store_run(
    root: Path,
    method: str | dict[str, Any] = "U-Net",
    seed: int = 0,
    *,
    dice: float | Sequence[float] = 0.8,
    dataset: str = "circles",
    labelled: int = 4,
    split: str = "usual",
    cohort: str | None = None,
    spend: str | Budget = "class",
    parts: Sequence[str] | None = ("validation",),
    tolerance: float = 1.0,
    hardware: Hardware = CPU,
    versions: Mapping[str, str] | None = None,
    sources: Mapping[str, str] | None = None,
    started: str = "2026-01-01T00:00:00+00:00",
    cases: pd.DataFrame | None = None,
    **costs: Any,
) -> Run:
    """A run; `dice` are its cases' values, or that of all four. `parts` None stands for no judge."""
    recipe = method if isinstance(method, dict) else parse(recipe_called(method)).to_dict()
    terms = budget(spend) if isinstance(spend, str) else spend
    judge = None
    if parts is not None:
        judge = parse(f"Judge(parts={list(parts)}, tolerance={tolerance})").to_dict()
    cohort = cohort or f"{dataset}-{labelled}-{split}"
    key_parts = {
        "recipe": recipe,
        "judge": judge,
        "cohort": cohort,
        "budget": terms.model_dump(include={"steps", "voxels", "patch"}),
        "seed": seed,
        "hardware": hardware.model_dump(exclude={"name"}),
        "versions": dict(versions or {"torch": "2.13.0"}),
        "sources": dict(sources or {"medseg_lab/training/loop.py": "aa"}),
    }
    record = RunRecord(
        key=key_of({**key_parts, "started": started}),
        parts=key_parts,
        recipe=recipe,
        method=written(recipe),
        judge=judge,
        scoring=written(parse(f"Judge(tolerance={tolerance})")) if judge else "",
        budget=terms,
        seed=seed,
        cohort=CohortFacts(
            id=dataset,
            fingerprint=cohort,
            held_out=f"{split}-{dataset}",
            description=dataset,
            virtual=False,
            labelled=labelled,
            unlabelled=0,
            validation=4,
            test=4,
            labelled_patients=labelled,
        ),
        task=TaskFacts(channels=1, classes=("background", *CLASSES), spatial_dims=2),
        hardware=hardware,
        test_opened=(),
        patch=(64, 64),
        batch_size=4,
        versions=key_parts["versions"],
        started=started,
        **{**COSTS, **costs},
    )
    folder = root / record.key[:16]
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(record.model_dump_json(), encoding="utf-8")
    (folder / "curves.csv").write_text("step,seconds,lr,loss\n", encoding="utf-8")
    (folder / "weights.safetensors").write_bytes(b"")
    if judge is not None:
        table = cases if cases is not None else results(dice, parts or ())
        table.to_csv(folder / "cases.csv", index=False)
    return Run(folder)


def results(dice: float | Sequence[float], parts: Sequence[str] = ("validation",)) -> pd.DataFrame:
    """A judge's table: of each part, a case for each value, both classes alike."""
    values = [dice] * 4 if isinstance(dice, int | float) else list(dice)
    return pd.DataFrame(
        {"part": part, "case": f"{part}-{number}", "patient": f"p{number}", "class": name, "dice": value}
        | {"iou": value / (2 - value), "hd95": 10 * (1 - value), "diagonal": 50.0}
        for part in parts
        for number, value in enumerate(values)
        for name in CLASSES
    )
