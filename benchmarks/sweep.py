"""The overhead of a sweep, and the throughput with a second worker.

    python benchmarks/sweep.py [--runs 16] [--steps 100] [--long 300] [--only workers|overhead]

Two measurements on virtual subjects, on a quiet machine:

- workers: the same runs with one worker, then with two, each from an empty store: wall-clock seconds of the
  whole sweep, with the start of the workers. The goal is 1.7 times the throughput.
- overhead: a few runs with the length of `class`, by a sweep with one worker and by calling `fit` in a
  process that has loaded the cohort: seconds per run, alternating, so that other load slows both equally. The
  goal is less than 5%.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

RECIPE = "Supervised(network=UNet(), spatial_dims=2)"
GRID = """
datasets = ["virtual-brain"]
seeds = {seeds}
budget = {{steps = {steps}, voxels = 100000, patch = 64, cases = {cases}}}
recipes = {{unet = "{recipe}"}}
"""


def grid(folder: Path, seeds: list[int], steps: int, cases: int) -> Path:
    path = folder / "grid.toml"
    path.write_text(GRID.format(seeds=seeds, steps=steps, cases=cases, recipe=RECIPE))
    return path


def swept(folder: Path, seeds: list[int], steps: int, cases: int, workers: int) -> tuple[float, list[float]]:
    """Wall-clock seconds of a sweep into an empty store, and the seconds of each run in its worker."""
    from medseg_lab.sweeps.sweep import sweep

    summary = sweep(
        grid(folder, seeds, steps, cases), workers=workers, store=folder / f"store-{workers}-{seeds[0]}"
    )
    assert summary.made == len(seeds), summary.describe()
    return summary.seconds, [outcome.seconds for outcome in summary.outcomes]


def throughput(runs: int, steps: int) -> None:
    walls = {}
    with tempfile.TemporaryDirectory() as folder:
        for workers in (1, 2):
            (Path(folder) / str(workers)).mkdir()
            walls[workers], each = swept(Path(folder) / str(workers), list(range(runs)), steps, 8, workers)
            middle = statistics.median(each)
            print(f"{workers} worker(s): {walls[workers]:.1f} s for {runs} runs, median run {middle:.2f} s")
    print(f"2 workers against 1: {walls[1] / walls[2]:.2f} times the throughput (goal 1.7)")


def fitted(folder: Path, seeds: list[int], steps: int, cases: int) -> list[float]:
    """Seconds of each `fit` in this process, with the cohort loaded."""
    from medseg_lab.data.cohort import load_cohort
    from medseg_lab.evaluation.judge import Judge
    from medseg_lab.training.budget import Budget
    from medseg_lab.training.fit import fit
    from medseg_lab.training.notation import parse
    from medseg_lab.training.recipe import recipe
    from medseg_lab.training.runs import RunStore

    cohort = load_cohort("virtual-brain", cases=cases)
    budget, judge = (
        Budget(steps=steps, voxels=100_000, patch=64, cases=cases),
        recipe(Judge, parts=["validation"]),
    )
    times = []
    for seed in seeds:
        start = time.perf_counter()
        fit(
            parse(RECIPE),
            cohort,
            budget,
            seed,
            store=RunStore(folder / "fitted"),
            judge=judge,
            progress=False,
        )
        times.append(time.perf_counter() - start)
    return times


def overhead(runs: int, steps: int) -> None:
    """A warm-up run on both sides, then alternating blocks."""
    import torch

    torch.set_num_threads(1)
    cases = 50
    by_sweep: list[float] = []
    walls: list[float] = []
    by_fit: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fitted(folder, [10_000], 3, cases)
        for block in range(2):
            seeds = [100 * block + number for number in range(runs)]
            wall, each = swept(folder, seeds, steps, cases, 1)
            walls.append(wall)
            by_sweep += each[1:]  # a worker's first run imports what it needs
            by_fit += fitted(folder, seeds, steps, cases)[1:]
    mine, bare = statistics.median(by_sweep), statistics.median(by_fit)
    print(
        f"a run in a sweep {mine:.2f} s, with fit {bare:.2f} s: "
        f"overhead {100 * (mine / bare - 1):+.1f}% (goal below 5%)"
    )
    print(
        f"with the start of a worker and the check for finished runs: "
        f"{statistics.mean(walls) / runs:.2f} s per run, over {runs} runs"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=16)
    parser.add_argument("--steps", type=int, default=100, help="steps of the short runs")
    parser.add_argument("--long", type=int, default=300, help="steps of the runs with the length of class")
    parser.add_argument("--only", choices=("workers", "overhead"))
    args = parser.parse_args()
    if args.only != "overhead":
        throughput(args.runs, args.steps)
    if args.only != "workers":
        overhead(4, args.long)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
