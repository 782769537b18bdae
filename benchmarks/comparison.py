"""Runs an hour: a whole comparison, ours against the usual MONAI loop on the same cores.

    python benchmarks/comparison.py [--only "slices, small"] [--steps 150] [--seeds 2]

Four networks with two seeds each are trained and judged, by `Protocol.run` from an empty store, and by an
ordinary MONAI script (`usual_loop.py`), one training after the other with all cores. Both sides have

- the same architectures: theirs has MONAI's layers in place of ours. Parameters, FLOPs and, with the same
  weights, the logits are checked to be equal before anything is timed;
- the same prepared cases in memory, batches, steps, loss, optimiser, learning rates and precision (bfloat16
  where the processor multiplies it, else float32);
- the same judging at the end of each run: one validation case by sliding window, all scores of `evaluate`.

Each side runs in a process of its own. The clock starts when torch is imported and the cases are loaded, and
stops when the last run is judged: the start of worker processes counts, ours and the loader's, and so do
their imports. The steps below are those that were done; nothing is extrapolated to longer trainings, where
starting costs less. Losses are means over all runs' first and last tenth, and say that both sides learn.

The goals: 2 times the runs an hour with small steps, 1.6 times with large ones, on 2 cores.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from medseg_lab.workers.cluster import cores

CASES = 10  # 7 labelled, 1 for validation
CORES = cores()  # a container's share, too: both sides have the same
NETWORKS = {
    "U-Net without skips": "UNet(skips=False)",
    "U-Net": "UNet()",
    "U-Net++": "UNetPlusPlus()",
    "V-Net": "VNet()",
}


@dataclass(frozen=True)
class Setting:
    """What a step sees, how many steps a run has, and the ratio that is to be reached."""

    patch: tuple[int, ...]
    batch_size: int
    steps: int
    goal: float


SETTINGS = {
    "slices, small": Setting((64, 64), 3, 150, 2.0),
    "slices, large": Setting((64, 64), 24, 30, 1.6),
    "volumes, small": Setting((24, 24, 24), 1, 150, 2.0),
    "volumes, large": Setting((48, 48, 48), 1, 30, 1.6),
}


def recipes(setting: Setting) -> dict[str, str]:
    """The methods by name, as text."""
    dims = len(setting.patch)
    return {name: f"Supervised(network={net}, spatial_dims={dims})" for name, net in NETWORKS.items()}


def check(setting: Setting) -> None:
    """Whether both sides train the same networks.

    Raises:
        ValueError: if parameters, FLOPs or logits differ.
    """
    import torch
    from usual_loop import with_monai_layers

    from medseg_lab.data.catalogue import load_card
    from medseg_lab.data.task import Task
    from medseg_lab.networks.measure import flops, parameters
    from medseg_lab.training.notation import parse

    card, shape = load_card("virtual-brain"), (1, 1, *setting.patch)
    for name, text in recipes(setting).items():
        ours = parse(text).build(Task(1, card.classes, card.spatial_dims)).network
        theirs = with_monai_layers(ours)
        image = torch.randn(shape)
        with torch.no_grad():
            gap = float((ours(image) - theirs(image)).abs().max())
        counts = [(parameters(network), flops(network, shape)) for network in (ours, theirs)]
        if counts[0] != counts[1] or gap > 1e-3:
            raise ValueError(f"{name}: expected equal networks, got {counts}, logits {gap:.1e} apart")


def ours(setting: Setting, steps: int, seeds: int) -> dict[str, Any]:
    """All runs by `Protocol.run`, from an empty store."""
    import torch

    from medseg_lab.data.cohort import load_cohort
    from medseg_lab.evaluation.protocol import Protocol
    from medseg_lab.training.budget import Budget
    from medseg_lab.training.runs import RunStore

    torch.set_num_threads(1)  # of each run, part of its key
    cohort = load_cohort("virtual-brain", cases=CASES)
    voxels = setting.batch_size * prod(setting.patch)
    budget = Budget(steps=steps, voxels=voxels, patch=max(setting.patch), cases=CASES, seeds=seeds)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        runs = Protocol(cohort, budget, RunStore(folder)).run(recipes(setting))
        seconds = time.perf_counter() - start
        done = [run for found in runs.values() for run in found]
        batches = {(run.record.patch, run.record.batch_size) for run in done}
        if batches != {(setting.patch, setting.batch_size)} or any(run.replayed for run in done):
            raise ValueError(f"runs: expected new ones with {setting}, got {batches}")
        losses = [run.curves["dice_ce"].tolist() for run in done]
        dice = [float(run.cases["dice"].mean()) for run in done if run.cases is not None]
        judging = sum(run.record.judge_seconds for run in done)
        judging /= judging + sum(run.record.seconds for run in done)
        precision = done[0].record.hardware.precision
    return {
        "seconds": seconds,
        "judging": judging,
        "losses": losses,
        "dice": dice,
        "precision": precision,
    }


def theirs(setting: Setting, steps: int, seeds: int) -> dict[str, Any]:
    """All runs by the usual loop, one after the other, with all cores."""
    import torch
    import usual_loop
    from monai.inferers.utils import sliding_window_inference

    from medseg_lab.data.cohort import load_cohort
    from medseg_lab.evaluation.judge import evaluate
    from medseg_lab.inference.predict import VOXELS
    from medseg_lab.training.device import fast_bfloat16
    from medseg_lab.training.notation import parse

    torch.set_num_threads(CORES)
    cohort = load_cohort("virtual-brain", cases=CASES)
    dims, low = len(setting.patch), fast_bfloat16("cpu")
    together = max(1, VOXELS["cpu"] // prod(setting.patch))
    axis = cohort.card.preprocessing.slice_axis + 1

    def predictor(network: torch.nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
        def predict(image: torch.Tensor) -> torch.Tensor:
            batch = image.movedim(axis, 0) if dims == 2 else image[None]
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=low):
                logits = sliding_window_inference(
                    batch, setting.patch, together, network, overlap=0.25, mode="gaussian"
                )
            assert isinstance(logits, torch.Tensor)
            maps = logits.float().softmax(1)
            return maps.movedim(0, axis) if dims == 2 else maps[0]

        return predict

    losses, dice, judging = [], [], 0.0
    start = time.perf_counter()
    for text in recipes(setting).values():
        for seed in range(seeds):
            torch.manual_seed(seed)
            network, step = usual_loop.step_of(parse(text).build(cohort.task), steps, "cpu", low)
            drawn = usual_loop.batches(cohort, dims, setting.patch, setting.batch_size, steps)
            losses.append([step(n, image, label).item() for n, (image, label) in enumerate(drawn)])
            trained = time.perf_counter()
            table = evaluate(predictor(network.eval()), cohort.validation, cohort.task)
            judging += time.perf_counter() - trained
            dice.append(float(table["dice"].mean()))
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "judging": judging / seconds,
        "losses": losses,
        "dice": dice,
        "precision": "bf16-mixed" if low else "32-true",
    }


SIDES = {"ours": ours, "theirs": theirs}


def measured(side: str, name: str, steps: int, seeds: int) -> dict[str, Any]:
    """What a side came to, in a process of its own with the threads that it is meant to have."""
    threads = {"ours": 1, "theirs": CORES}[side]
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        arguments = ["--side", side, "--only", name, "--steps", steps, "--seeds", seeds, "--result", result]
        subprocess.run(
            [sys.executable, __file__, *map(str, arguments)],
            check=True,
            env=os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)},
            stdout=subprocess.DEVNULL,
        )
        found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    if {len(curve) for curve in found["losses"]} != {steps}:
        raise ValueError(f"{side}: expected {steps} steps a run, got {sorted(map(len, found['losses']))}")
    return found


def first_and_last(losses: Sequence[Sequence[float]]) -> str:
    """The mean loss over the first and the last tenth of all runs."""
    tenth = max(1, len(losses[0]) // 10)
    parts = [curve[:tenth] for curve in losses], [curve[-tenth:] for curve in losses]
    return " to ".join(f"{statistics.mean(map(statistics.mean, part)):.2f}" for part in parts)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--steps", type=int, help="of a run; default: 150 small ones, 30 large ones")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        found = SIDES[args.side](SETTINGS[args.only[0]], args.steps, args.seeds)
        args.result.write_text(json.dumps(found), encoding="utf-8")
        return

    count = len(NETWORKS) * args.seeds
    table = Table(title=f"Runs an hour: {len(NETWORKS)} networks x {args.seeds} seeds, {CORES} cores")
    for column in ("setting", "steps", "ours", "theirs", "ratio", "goal"):
        table.add_column(column, justify="left" if column == "setting" else "right")
    for name in args.only:
        setting = SETTINGS[name]
        steps = args.steps or setting.steps
        check(setting)
        found = {side: measured(side, name, steps, args.seeds) for side in SIDES}
        for side, its in found.items():
            print(
                f"{name}, {side}: {count} runs of {steps} steps in {its['seconds']:.1f} s "
                f"({100 * its['judging']:.0f}% of a run is judging), {its['precision']}, "
                f"loss {first_and_last(its['losses'])}, Dice {statistics.mean(its['dice']):.2f}",
                flush=True,
            )
        if found["ours"]["precision"] != found["theirs"]["precision"]:
            raise ValueError("precision: expected the same on both sides")
        hourly = [3600 * count / its["seconds"] for its in found.values()]
        cells = (*(f"{value:.0f}" for value in hourly), f"{hourly[0] / hourly[1]:.2f}", f"{setting.goal}")
        table.add_row(name, str(steps), *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
