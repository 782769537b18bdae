"""The cost of a step of each consistency method, relative to supervised training and to the expected cost.

    python benchmarks/semi_steps.py [--dims 3] [--voxels 100000] [--patch 40] [--steps 20] [--threads 1]

Supervised training sees the same labelled patches; a method also sees as many patches without labels.
`theory` counts passes of one such batch through the network: 1 forward and 2 backward, so 3 for supervised
training. The step is that of the training loop, on one fixed batch, so that drawing patches does not count.
A supervised step (`base`) comes before each step of a method, so that other load slows both equally: `factor`
is the median over these pairs, `least` compares the shortest steps. The goal is at most 1.1 times theory for
Mean Teacher and UA-MT. `counted` is the expected factor from the FLOPs of the convolutions.

Below the table: the update of the teacher over all parameters, in one fused call and in a loop.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from lightning_fabric import Fabric
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.optim import AdamW
from torch.utils.flop_counter import FlopCounterMode

from medseg_lab.data.batch import Batch
from medseg_lab.data.task import Task
from medseg_lab.data.view import View
from medseg_lab.networks.unet import UNet
from medseg_lab.semi.massl import MASSL
from medseg_lab.semi.mean_teacher import MeanTeacher
from medseg_lab.semi.pi_model import PiModel
from medseg_lab.semi.semitc import SemiTC
from medseg_lab.semi.tcsm import TCSM, TCSMv2
from medseg_lab.semi.teacher import move
from medseg_lab.semi.temporal_ensembling import TemporalEnsembling
from medseg_lab.semi.ua_mt import UAMT
from medseg_lab.training.device import hardware, laid_out, lay_out, make_fabric
from medseg_lab.training.learner import Learner
from medseg_lab.training.loop import parameter_groups
from medseg_lab.training.recipe import recipe
from medseg_lab.training.supervised import Supervised

NETWORK = recipe(UNet, dropout=0.3)
CLASSES = ("background", "a", "b")
LEARNED = 3  # passes of a batch with a gradient: forward 1, backward 2
TAUGHT = 1  # passes of a batch without a gradient

# Passes of a step. MASSL runs parts of two networks, so its FLOPs are counted instead.
PASSES: dict[type[Learner], int | None] = {
    PiModel: LEARNED + 2 * LEARNED,
    TemporalEnsembling: LEARNED + LEARNED,
    MeanTeacher: LEARNED + LEARNED + TAUGHT,
    UAMT: LEARNED + LEARNED + TAUGHT + 8 * TAUGHT,
    TCSM: LEARNED + 2 * LEARNED,
    TCSMv2: LEARNED + LEARNED + TAUGHT,
    SemiTC: LEARNED + 2 * (LEARNED + LEARNED),  # two warps of labelled and of unlabelled patches
    MASSL: None,
}


def fixed_batch(dims: int, voxels: int, edge: int, fabric: Fabric) -> Batch:
    """Patches of noise with `voxels` in total, and as many without labels."""
    shape = (max(1, voxels // edge**dims), 1, *[edge] * dims)
    image, without = (laid_out(torch.randn(shape, device=fabric.device)) for _ in range(2))
    view = View.plain(list(range(len(image))), [[0] * dims] * len(image), shape[2:])
    return Batch(image, image[:, 0].gt(0).long() + image[:, 0].gt(1).long(), without, view)


def stepper(method: type[Learner], batch: Batch, fabric: Fabric) -> Callable[[], None]:
    """One optimiser step of `medseg_lab.training.loop.train`, at full weight."""
    torch.manual_seed(0)
    learner = method(Task(1, CLASSES, batch.image.ndim - 2), network=NETWORK)
    learner.prepare(1, [tuple(batch.image.shape[2:])] * len(batch.image))
    phases = learner.phases()
    optimisers = [AdamW(groups, lr=1e-4) for groups in parameter_groups(phases)]
    module, *optimisers = fabric.setup(lay_out(learner.to(fabric.device)), *optimisers)

    def step() -> None:
        for number, optimiser in enumerate(optimisers):
            losses = module(number, batch, 1)
            optimiser.zero_grad()
            fabric.backward(sum(losses.values()))
            fabric.clip_gradients(module, optimiser, max_norm=learner.clip_norm, error_if_nonfinite=False)
            optimiser.step()
        learner.after_step(1)

    return step


def seconds(act: Callable[[], None]) -> float:
    start = time.perf_counter()
    act()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def alternate(first: Callable[[], None], second: Callable[[], None], n: int) -> list[tuple[float, float]]:
    """Seconds of both, pair by pair, after two pairs of warm-up."""
    for act in (first, second, first, second):
        act()
    return [(seconds(first), seconds(second)) for _ in range(n)]


def work(step: Callable[[], None]) -> int:
    """Floating point operations of the convolutions of a step, with the backward passes."""
    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def one_by_one(teacher: nn.Module, student: nn.Module, alpha: float) -> None:
    """`move` as a loop."""
    with torch.no_grad():
        for mine, its in zip(teacher.parameters(), student.parameters(), strict=True):
            mine.mul_(alpha).add_(its, alpha=1 - alpha)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dims", type=int, default=3, choices=(2, 3))
    parser.add_argument("--voxels", type=int, default=100_000, help="labelled voxels per step")
    parser.add_argument("--patch", type=int, default=40, help="edge of a patch")
    parser.add_argument("--steps", type=int, default=20, help="steps of each method")
    parser.add_argument("--precision", default="auto", choices=("auto", "32-true", "bf16-mixed"))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    fabric = make_fabric(args.precision)
    batch = fixed_batch(args.dims, args.voxels, args.patch, fabric)
    supervised = stepper(Supervised, batch, fabric)
    supervised_work = work(supervised)

    print(f"{hardware(fabric)}: {tuple(batch.image.shape)} labelled, as many unlabelled")
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for column in (
        "method",
        "theory",
        "counted",
        "base (ms)",
        "step (ms)",
        "factor",
        "least",
        "/ theory",
    ):
        table.add_column(column, justify="left" if column == "method" else "right", no_wrap=True)
    for method, passes in PASSES.items():
        step = stepper(method, batch, fabric)
        counted = work(step) / supervised_work
        theory = counted if passes is None else passes / LEARNED
        pairs = alternate(supervised, step, args.steps)
        mine, its = zip(*pairs, strict=True)
        factor = statistics.median(b / a for a, b in pairs)
        times = [f"{1000 * statistics.median(each):.0f}" for each in (mine, its)]
        factors = [f"{value:.2f}" for value in (factor, min(its) / min(mine), factor / theory)]
        table.add_row(method.__name__, f"{theory:.2f}", f"{counted:.2f}", *times, *factors)
    Console().print(table)

    teacher, student = (NETWORK.build(1, len(CLASSES), args.dims).to(fabric.device) for _ in range(2))
    pairs = alternate(lambda: move(teacher, student, 0.99), lambda: one_by_one(teacher, student, 0.99), 100)
    fused, loop = (1000 * statistics.median(each) for each in zip(*pairs, strict=True))
    count = len(list(student.parameters()))
    Console().print(f"EMA of {count} tensors: fused {fused:.2f} ms, in a loop {loop:.2f} ms")


if __name__ == "__main__":
    main()
