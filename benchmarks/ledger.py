"""Seconds and memory of `medseg compare` on 2,000 runs x 50 cases x 2 classes: `python benchmarks/ledger.py`.

The records are synthetic, in a temporary folder: 20 methods with 10 seeds on 10 data sets, with effects of
method, seed and case. Each command runs in new processes, with the files in the system's cache; the median is
printed. The goal for the whole command is 3 s.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

from medseg_lab.training.budget import Budget, budget
from medseg_lab.training.hardware import Hardware
from medseg_lab.training.key import key_of
from medseg_lab.training.notation import parse
from medseg_lab.training.provenance import sources
from medseg_lab.training.record import CohortFacts, RunRecord, TaskFacts

DATASETS, SEEDS, CASES, CLASSES, STARTS = 10, 10, 50, ("grey", "white"), 7
NETWORKS = (
    *(f"FCN(stride={stride})" for stride in (8, 16, 32)),
    *("UNet()", "UNet(skips=False)", "UNetPlusPlus()", "VNet()"),
    *(f"UNet(features=[{width}, {2 * width}, {4 * width}])" for width in range(8, 21)),
)
RECIPES = [parse(f"Supervised(network={network}, spatial_dims=2)").to_dict() for network in NETWORKS]
JUDGE = parse("Judge(parts=['validation'])").to_dict()
COMPARE = [str(Path(sys.executable).with_name("medseg")), "compare", "--store"]
PARTS = """
import sys, time
start = time.process_time()
from medseg_lab.evaluation.ledger import read_ledger
from medseg_lab.evaluation.standings import standings
imported = time.process_time()
found = read_ledger(sys.argv[1])
read = time.process_time()
for standing in standings(found):
    standing.summary().words
done = time.process_time()
print(imported - start, read - imported, done - read)
"""


def records(datasets: int, seeds: int) -> Iterator[tuple[RunRecord, pd.DataFrame]]:
    """The record and the cases of every run."""
    generator, made = (
        np.random.default_rng(0),
        sources(["medseg_lab.training.fit", "medseg_lab.data.batches"]),
    )
    ability = generator.normal(0.8, 0.03, len(RECIPES))
    terms, hardware = (
        budget("class"),
        Hardware(device="cpu", name="CPU", precision="32-true", threads=1, processes=1),
    )
    for dataset in range(datasets):
        case = generator.normal(0, 0.05, (CASES, len(CLASSES)))
        for method, recipe in enumerate(RECIPES):
            for seed in range(seeds):
                parts = {
                    "recipe": recipe,
                    "judge": JUDGE,
                    "cohort": f"{dataset:064x}",
                    "budget": terms.model_dump(include={"steps", "voxels", "patch"}),
                    "seed": seed,
                    "hardware": hardware.model_dump(exclude={"name"}),
                    "versions": {"torch": "2.13.0", "monai": "1.6.1", "numpy": "2.4.6"},
                    "sources": made,
                }
                noise = generator.normal(0, 0.01) + generator.normal(0, 0.02, case.shape)
                yield _record(parts, terms, hardware, dataset), _cases(ability[method] + case + noise)


def _record(parts: dict, terms: Budget, hardware: Hardware, dataset: int) -> RunRecord:
    return RunRecord(
        key=key_of(parts),
        parts=parts,
        recipe=parts["recipe"],
        judge=parts["judge"],
        budget=terms,
        seed=parts["seed"],
        cohort=CohortFacts(
            id=f"set-{dataset}",
            fingerprint=parts["cohort"],
            held_out=parts["cohort"],
            description=f"set-{dataset}",
            virtual=False,
            labelled=40,
            unlabelled=0,
            validation=CASES,
            test=CASES,
            labelled_patients=40,
        ),
        task=TaskFacts(channels=1, classes=("background", *CLASSES), spatial_dims=2),
        hardware=hardware,
        test_opened=(),
        patch=(64, 64),
        batch_size=24,
        parameters=500_000,
        seconds=60.0,
        judge_seconds=5.0,
        peak_memory_mb=900.0,
        versions=parts["versions"],
        started="2025-01-01T00:00:00+00:00",
    )


def _cases(dice: np.ndarray) -> pd.DataFrame:
    number, label = (axis.ravel() for axis in np.indices(dice.shape))
    dice = dice.clip(0, 1).ravel()
    return pd.DataFrame(
        {
            "part": "validation",
            "case": [f"case-{n:03d}-of-the-data-set" for n in number],
            "patient": [f"patient-{n:03d}" for n in number],
            "class": [CLASSES[k] for k in label],
            "dice": dice,
            "iou": dice / (2 - dice),
            "hd95": 40 * (1 - dice),
            "assd": 10 * (1 - dice),
            "nsd": dice**2,
            "diagonal": 250.0,
        }
    )


def synthesise(root: Path, datasets: int, seeds: int) -> int:
    """Write the run folders and return their number."""
    count = 0
    for record, cases in records(datasets, seeds):
        folder = root / record.key[:16]
        folder.mkdir()
        (folder / "run.json").write_text(record.model_dump_json(indent=1), encoding="utf-8")
        cases.to_csv(folder / "cases.csv", index=False)
        (folder / "curves.csv").write_text("step,seconds,lr,loss\n0,0.1,0.004,1.0\n", encoding="utf-8")
        (folder / "weights.safetensors").write_bytes((2).to_bytes(8, "little") + json.dumps({}).encode())
        count += 1
    return count


def start(command: list[str]) -> tuple[float, float, str]:
    """Wall-clock seconds, CPU seconds and output of one start."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, busy, printed


def main() -> None:
    os.environ |= {"COLUMNS": "140", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory(prefix="medseg-ledger-") as folder:
        runs = synthesise(Path(folder), DATASETS, SEEDS)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        print(f"{runs} runs x {CASES} cases x {len(CLASSES)} classes, {size / 1e6:.0f} MB")
        starts = [start([*COMPARE, folder]) for _ in range(STARTS)]
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
        inside = [start([sys.executable, "-c", PARTS, folder])[2].split() for _ in range(STARTS)]
    whole, busy = (median(one[place] for one in starts) for place in (0, 1))
    parts = [median(map(float, column)) for column in zip(*inside, strict=True)]
    print(f"median of {STARTS} starts: {whole:.2f} s ({busy:.2f} s of CPU time), peak {memory:.0f} MB")
    print("CPU time:")
    for name, spent in zip(("imports", "reading", "statistics"), parts, strict=True):
        print(f"  {name:12}{spent:.2f} s")
    print(f"  {'other':12}{busy - sum(parts):.2f} s (Python, the command line, printing)")


if __name__ == "__main__":
    main()
