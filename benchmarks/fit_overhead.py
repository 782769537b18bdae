"""The cost of the training loop over a bare step: seeding, Fabric, clipping, schedule, curves, checkpoints.

    python benchmarks/fit_overhead.py [--steps 40] [--threads 2]

Both use one fixed batch and the same network, precision, memory layout and optimiser. Blocks of steps
alternate, so that other load slows both equally. Prints the median and the minimum milliseconds of a step;
the minimum is more reliable if others use the machine.
"""

import argparse
import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import torch

from medseg_lab.data.batch import Batch
from medseg_lab.data.task import Task
from medseg_lab.losses.dice import DiceCE
from medseg_lab.networks.unet import UNet
from medseg_lab.training.budget import Budget
from medseg_lab.training.checkpoint import Checkpoints
from medseg_lab.training.device import hardware, laid_out, lay_out, make_fabric
from medseg_lab.training.loop import train
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised

TASK = Task(1, ("background", "a", "b"), 3)


class Fixed:
    """The same batch in every step."""

    unlabelled_shapes = ()
    labelled_shapes = ()

    def __init__(self) -> None:
        image = torch.randn(2, 1, 48, 48, 48)
        self.value = Batch(image, image[:, 0].gt(0).long() + image[:, 0].gt(1).long())

    def batch(self, step: int) -> Batch:
        """The same batch for every step."""
        return self.value


def bare(steps: int, batches: Fixed, low: bool, fused: bool) -> list[float]:
    network = lay_out(UNet(1, 3, 3, features=(16, 32, 64)))
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3, fused=fused)
    image, label = laid_out(batches.value.image), batches.value.label
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=low):
            loss = DiceCE()(network(image), label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        times.append(time.perf_counter() - start)
    return times


def looped(steps: int, batches: Fixed, precision: str) -> list[float]:
    learner = Supervised(TASK, network=recipe(UNet, features=(16, 32, 64)))
    budget = Budget(steps=steps, voxels=1, patch=48)
    with tempfile.TemporaryDirectory() as folder:
        fabric = make_fabric(precision)
        curves = train(learner, batches, budget, 0, fabric, Checkpoints(Path(folder), 20.0))
    seconds = [row["seconds"] for row in curves.rows]
    return [after - before for before, after in pairwise(seconds)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    batches = Fixed()
    print(hardware(make_fabric()))
    for precision in ("bf16-mixed", "32-true"):
        times: dict[str, list[float]] = {"bare": [], "bare, fused AdamW": [], "loop": []}
        for _ in range(3):
            times["bare"] += bare(args.steps // 3, batches, precision == "bf16-mixed", False)[2:]
            times["bare, fused AdamW"] += bare(args.steps // 3, batches, precision == "bf16-mixed", True)[2:]
            times["loop"] += looped(args.steps // 3, batches, precision)[2:]
        for name, values in times.items():
            median, least = 1000 * statistics.median(values), 1000 * min(values)
            print(f"{precision}  {name:18s} median {median:7.1f} ms, minimum {least:7.1f} ms")


if __name__ == "__main__":
    main()
