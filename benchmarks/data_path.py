"""The cost of the data path: a step with our batches against a bare step and against the usual MONAI loop.

Three loops train the same network on patches of the same shape, alternating in one process:

- bare: one fixed batch for all steps, without a data path;
- ours: `Batches`, drawn and augmented on the device;
- MONAI: the batches of the usual loop (`usual_loop.py`), from a DataLoader with two workers.

Volumes have the size of a hippocampus (40x56x40, batch 4), slices 128x128 (batch 16). Their content is noise,
which takes the same time as an image. Run: `python benchmarks/data_path.py [--steps 30] [--rounds 3]`.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import islice, product

import torch
import usual_loop
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional as F

from medseg_lab.data.batches import Batches
from medseg_lab.data.case import Case
from medseg_lab.data.catalogue import load_card
from medseg_lab.data.cohort import Cohort
from medseg_lab.data.task import Task
from medseg_lab.networks.unet import UNet

CASES = 48
CLASSES = ("background", "anterior", "posterior")
SETTINGS = {"volumes 40x56x40": ((40, 56, 40), 4), "slices 128x128": ((128, 128), 16)}
FORMAT = {2: torch.channels_last, 3: torch.channels_last_3d}


def toy_cohort(patch: tuple[int, ...]) -> Cohort:
    """Cases slightly larger than the patch, with a block of each class."""
    card = load_card("msd-hippocampus")
    work = card.preprocessing.model_copy(update={"patch": patch, "slice_patch": None, "mirror": (0,)})
    generator = torch.Generator().manual_seed(0)
    cases = []
    for i in range(CASES):
        shape = tuple(edge + 8 for edge in patch)
        label = torch.zeros(shape, dtype=torch.uint8)
        label[(slice(8, 16),) * len(shape)], label[(slice(20, 28),) * len(shape)] = 1, 2
        image = torch.randn(1, *shape, generator=generator)
        cases.append(Case(f"c{i}", f"c{i}", image, label[None], (1.0,) * len(shape)))
    card = card.model_copy(update={"preprocessing": work, "spatial_dims": len(patch)})
    return Cohort(card, tuple(cases), (), (), "", CASES, 0, lambda: ())


def our_batches(cohort: Cohort, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    voxels = batch_size * int(torch.tensor(cohort.patch).prod())
    task = Task(1, CLASSES, cohort.task.spatial_dims)
    source = Batches(cohort, task, voxels, patch_limit=max(cohort.patch))
    for step in range(10**9):
        batch = source.batch(step)
        yield batch.image, batch.label


def monai_batches(cohort: Cohort, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The usual loop's, with a label for each voxel."""
    for image, label in usual_loop.batches(cohort, len(cohort.patch), cohort.patch, batch_size, 10**6):
        yield image, label[:, 0].long()


def light(dims: int) -> nn.Module:
    """MONAI's strided U-Net, 0.5 M parameters in 3D: short steps, so that the data path matters."""
    from monai.networks.nets.unet import UNet as StridedUNet

    return StridedUNet(dims, 1, len(CLASSES), channels=(16, 32, 64, 128), strides=(2, 2, 2))


def ours(dims: int) -> nn.Module:
    """The chapter's U-Net, 1.4 M parameters in 3D, which works at full resolution."""
    return UNet(1, len(CLASSES), spatial_dims=dims)


def trainer(build: Callable[[int], nn.Module], dims: int) -> Callable[[Tensor, Tensor], None]:
    """One optimiser step, as in `fit` on a CPU."""
    torch.manual_seed(0)
    network = build(dims)
    network = network.to(memory_format=FORMAT[dims])
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3)

    def step(image: Tensor, label: Tensor) -> None:
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(image.contiguous(memory_format=FORMAT[dims]))
        loss = F.cross_entropy(logits.float(), label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def seconds(
    step: Callable[[Tensor, Tensor], None], batches: Iterator[tuple[Tensor, Tensor]], n: int
) -> float:
    """Seconds per step, with batches, after two steps of warm-up."""
    for image, label in islice(batches, 2):
        step(image, label)
    start = time.perf_counter()
    for image, label in islice(batches, n):
        step(image, label)
    return (time.perf_counter() - start) / n


NETWORKS = {"strided U-Net": light, "chapter's U-Net": ours}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument(
        "--rounds", type=int, default=3, help="rounds of the three loops; the median is printed"
    )
    args = parser.parse_args()
    table = Table(
        title=f"Seconds per step ({torch.get_num_threads()} threads, median of {args.rounds} rounds)"
    )
    for column in ("data", "network", "bare", "ours", "MONAI", "ours / bare", "MONAI / ours"):
        table.add_column(column, justify="left" if column in ("data", "network") else "right")
    for (name, (patch, batch_size)), (title, build) in product(SETTINGS.items(), NETWORKS.items()):
        cohort, step = toy_cohort(patch), trainer(build, len(patch))
        times: dict[str, list[float]] = {"bare": [], "ours": [], "MONAI": []}
        for _ in range(args.rounds):
            fixed = next(our_batches(cohort, batch_size))
            times["bare"].append(seconds(step, iter(lambda fixed=fixed: fixed, None), args.steps))
            times["ours"].append(seconds(step, our_batches(cohort, batch_size), args.steps))
            times["MONAI"].append(seconds(step, monai_batches(cohort, batch_size), args.steps))
        bare, own, monai = (statistics.median(times[loop]) for loop in times)
        cells = [f"{1000 * s:.0f} ms" for s in (bare, own, monai)]
        table.add_row(name, title, *cells, f"{own / bare:.2f}", f"{monai / own:.2f}")
    Console().print(table)
    Console().print("Goals: ours at most 1.15 times bare; MONAI at least 2 times ours.")


if __name__ == "__main__":
    main()
