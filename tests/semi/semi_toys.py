"""Networks of one weight, a cohort with and without labels, and trainings of a blink.

`from toys import ...` in any test of this folder.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medseg_lab.data.batch import Batch
from medseg_lab.data.card import Card
from medseg_lab.data.case import Case
from medseg_lab.data.cohort import Cohort
from medseg_lab.data.task import Task
from medseg_lab.data.view import View
from medseg_lab.networks.unet import UNet
from medseg_lab.training.budget import Budget
from medseg_lab.training.checkpoint import Checkpoints
from medseg_lab.training.curves import Curves
from medseg_lab.training.device import Precision, make_fabric, reproducible
from medseg_lab.training.fit import begin
from medseg_lab.training.learner import Learner
from medseg_lab.training.loop import train
from medseg_lab.training.recipe import Recipe, recipe

NAMES = ("background", "a", "b", "c")


def task(dims: int = 3, classes: int = 2) -> Task:
    return Task(1, NAMES[:classes], dims)


class Scale(nn.Module):
    """Logits (0, w x, 0, ...): one weight, and for two classes a foreground of sigmoid(w x)."""

    def __init__(
        self, in_channels: int = 1, out_channels: int = 2, spatial_dims: int = 2, weight: float = 0.5
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))
        self.classes = out_channels

    def forward(self, image: Tensor) -> Tensor:
        logits = [torch.zeros_like(image)] * self.classes
        logits[1] = self.weight * image
        return torch.cat(logits, dim=1)


class Voxelwise(nn.Module):
    """A 1x1 convolution: it commutes with any change of geometry."""

    def __init__(self, in_channels: int = 1, out_channels: int = 2, spatial_dims: int = 2) -> None:
        super().__init__()
        self.mix = {2: nn.Conv2d, 3: nn.Conv3d}[spatial_dims](in_channels, out_channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.mix(image)


SCALE, VOXELWISE = recipe(Scale), recipe(Voxelwise)
SMALL = recipe(UNet, features=(4, 8), dropout=0.3)


def one_weight(method: type[Learner], w: float = 0.5, classes: int = 2, **arguments: Any) -> Any:
    """A learner in 2D whose network is `Scale` with weight w."""
    return method(task(2, classes), recipe(Scale, weight=w), **arguments)


def pixels(*values: float, case: int = 0) -> Batch:
    """A row of unlabelled pixels, `(1, 1, 1, n)`, and as many labelled ones, all zero."""
    image = torch.tensor(values, dtype=torch.float32).view(1, 1, 1, -1)
    label = torch.zeros((1, 1, len(values)), dtype=torch.int64)
    return Batch(torch.zeros_like(image), label, image, View.plain([case], [[0, 0]], (1, len(values))))


def in_turn(*noises: float | Tensor) -> Callable[[Tensor], Tensor]:
    """A stand-in for `noisy`: adds the first noise when it is called first, and so on."""
    left = iter(noises)
    return lambda image: image + next(left)


def tiny_case(number: int, dims: int = 3, classes: int = 2, labelled: bool = True) -> Case:
    """A ball, in it a smaller one for each further class, in noise; 10 x 9 x 8 voxels."""
    shape = (10, 9, 8)[:dims]
    generator = torch.Generator().manual_seed(number)
    axes = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in shape), indexing="ij")
    distance = sum(axis**2 for axis in axes)
    label = sum((distance < (0.5 + 0.03 * number) / k).to(torch.uint8) for k in range(1, classes))
    image = label + 0.3 * torch.randn(shape, generator=generator)
    readings = label[None] if labelled else label[None][:0]
    return Case(f"c{number}", f"p{number}", image[None].float(), readings, (1.0,) * dims)


def tiny_cohort(dims: int = 3, classes: int = 2, labelled: int = 2, unlabelled: int = 3) -> Cohort:
    """Mirrored along the first axis, in patches of 8; cases are numbered labelled, unlabelled, held out."""
    said = {
        "id": "tiny",
        "title": "balls",
        "publisher": "the tests",
        "licence": "none",
        "citation": "none",
        "home": "none",
        "size_mb": 0,
        "modality": ["noise"],
        "spatial_dims": dims,
        "classes": NAMES[:classes],
        "patient_rule": "one case each",
        "reader": "msd",
        "preprocessing": {"patch": [8] * dims, "mirror": [0]},
    }
    with_labels = tuple(tiny_case(i, dims, classes) for i in range(labelled))
    without = tuple(tiny_case(labelled + i, dims, classes, labelled=False) for i in range(unlabelled))
    held_out = tuple(tiny_case(labelled + unlabelled + i, dims, classes) for i in range(2))
    return Cohort(
        card=Card.model_validate(said),
        labelled=with_labels,
        unlabelled=without,
        validation=held_out[:1],
        fingerprint=f"tiny {dims} {classes} {labelled} {unlabelled}",
        total=labelled + unlabelled + 2,
        test_size=1,
        sealed=lambda: held_out[1:],
    )


def tiny_budget(**changes: float) -> Budget:
    return Budget(**{"steps": 4, "voxels": 3 * 8**3, "patch": 8, **changes})


def trained(
    target: Recipe,
    cohort: Cohort,
    folder: Path,
    *,
    seed: int = 0,
    stop: int | None = None,
    checkpoint_seconds: float = 1e6,
    precision: Precision = "32-true",
    watch: Callable[[Learner, int], None] | None = None,
    **budget: float,
) -> tuple[Learner, Curves]:
    """The learner and its curves after the loop that `fit` runs, before `forget`.

    With `stop`, a KeyboardInterrupt ends it when the batch of that step is asked for; called again with the
    same folder, it goes on from the last checkpoint. `watch` is called with the learner and each step done.
    """
    limits, fabric = tiny_budget(**budget), make_fabric(precision)
    with reproducible(fabric.device):
        learner, batches = begin(target, cohort, limits, seed, fabric)

        class Cut:
            unlabelled_shapes = batches.unlabelled_shapes
            labelled_shapes = ()

            def batch(self, step: int) -> Batch:
                if step == stop:
                    raise KeyboardInterrupt
                return batches.batch(step)

        curves = train(
            learner,
            Cut(),
            limits,
            seed,
            fabric,
            Checkpoints(folder, checkpoint_seconds),
            watch=None if watch is None else lambda step: watch(learner, step),
        )
    return learner, curves


def differing(first: nn.Module, second: nn.Module) -> list[str]:
    """The parameters and buffers that only one of the two has, or that are not the same bits in both."""
    one, other = first.state_dict(), second.state_dict()
    moved = {name for name in one.keys() & other.keys() if not torch.equal(one[name], other[name])}
    return sorted((one.keys() ^ other.keys()) | moved)


def without_seconds(rows: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
