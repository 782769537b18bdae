"""Networks of one weight, a small cohort, and trainings of a moment: `from toys import ...` in any test."""

from collections.abc import Callable, Sequence
from dataclasses import replace
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
from medseg_lab.training.begin import begin
from medseg_lab.training.budget import Budget
from medseg_lab.training.checkpoint import Checkpoints
from medseg_lab.training.curves import Curves
from medseg_lab.training.device import Precision, make_fabric, reproducible
from medseg_lab.training.learner import Learner
from medseg_lab.training.loop import train
from medseg_lab.training.recipe import Recipe, recipe
from medseg_lab.training.segmenter import Segmenter

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


class Constant(nn.Module):
    """Logits that do not look at the image: one number for each map."""

    def __init__(self, in_channels: int, out_channels: int, spatial_dims: int) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.randn(out_channels))

    def forward(self, image: Tensor) -> Tensor:
        flat = self.values.view(1, -1, *[1] * (image.ndim - 2))
        return flat.expand(len(image), -1, *image.shape[2:])


OWN_MODULE = """
from torch import nn

class MyNet(nn.Module):
    def __init__(self, in_channels, out_channels, spatial_dims=2, width=3):
        super().__init__()
        conv = {2: nn.Conv2d, 3: nn.Conv3d}[spatial_dims]
        self.layers = nn.Sequential(conv(in_channels, width, 3, padding=1), conv(width, out_channels, 1))

    def forward(self, image):
        return self.layers(image)

class MyLoss:
    def __call__(self, logits, label):
        return logits.float().softmax(1)[:, 0].mean()
"""
"""The text of a module that a user writes beside a notebook or a grid."""

SCALE, VOXELWISE = recipe(Scale), recipe(Voxelwise)
SMALL = recipe(UNet, features=(4, 8), dropout=0.3)


def one_weight(method: type[Learner], w: float = 0.5, classes: int = 2, **arguments: Any) -> Any:
    """A learner in 2D whose network is `Scale` with weight w."""
    return method(task(2, classes), network=recipe(Scale, weight=w), **arguments)


def pixels(*values: float, case: int = 0) -> Batch:
    """A row of unlabelled pixels, `(1, 1, 1, n)`, and as many labelled ones, all zero."""
    image = torch.tensor(values, dtype=torch.float32).view(1, 1, 1, -1)
    label = torch.zeros((1, 1, len(values)), dtype=torch.int64)
    return Batch(torch.zeros_like(image), label, image, View.plain([case], [[0, 0]], (1, len(values))))


def noise_batch(shape: Sequence[int] = (16, 12), n: int = 2, classes: int = 3, seed: int = 0) -> Batch:
    """Noise, with a label of noise."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn((n, 1, *shape), generator=generator)
    return Batch(image, torch.randint(classes, (n, *shape), generator=generator))


def sampled(method: Segmenter, image: Tensor, n: int, seed: int = 0) -> Tensor:
    """Samples without a gradient, from a state of the generator that is always the same."""
    torch.manual_seed(seed)
    with torch.no_grad():
        return method.sample(image, n)


def in_turn(*noises: float | Tensor) -> Callable[[Tensor], Tensor]:
    """A stand-in for `noisy`: adds the first noise when it is called first, and so on."""
    left = iter(noises)
    return lambda image: image + next(left)


def tiny_case(
    number: int, dims: int = 3, classes: int = 2, raters: int = 1, shape: tuple[int, ...] = (10, 9, 8)
) -> Case:
    """A ball, in it a smaller one for each further class, in noise; each further rater draws it larger."""
    generator = torch.Generator().manual_seed(number)
    axes = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in shape[:dims]), indexing="ij")
    distance = sum(axis**2 for axis in axes)
    size = 0.5 + 0.03 * number
    labels = [
        sum((distance < (size + 0.1 * rater) / k).to(torch.uint8) for k in range(1, classes))
        for rater in range(max(1, raters))
    ]
    image = labels[0] + 0.3 * torch.randn(shape[:dims], generator=generator)
    readings = torch.stack(labels)[:raters]
    return Case(f"c{number}", f"p{number}", image[None].float(), readings, (1.0,) * dims)


def tiny_cohort(
    dims: int = 3,
    classes: int = 2,
    labelled: int = 2,
    unlabelled: int = 3,
    raters: int = 1,
    shape: tuple[int, ...] = (10, 9, 8),
    patch: int = 8,
) -> Cohort:
    """Mirrored along the first axis; cases are numbered labelled, unlabelled, held out (two)."""
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
        "preprocessing": {"patch": [patch] * dims, "mirror": [0]},
    }
    counts = [raters] * labelled + [0] * unlabelled + [raters] * 2
    cases = tuple(tiny_case(i, dims, classes, count, shape) for i, count in enumerate(counts))
    return Cohort(
        card=Card.model_validate(said),
        labelled=cases[:labelled],
        unlabelled=cases[labelled : labelled + unlabelled],
        validation=cases[-2:-1],
        fingerprint=f"tiny {dims} {classes} {labelled} {unlabelled} {raters} {shape} {patch}",
        total=len(cases),
        test_size=1,
        sealed=lambda: cases[-1:],
    )


def tinted(cohort: Cohort) -> Cohort:
    """The cohort in colour: three channels, of which the first is stronger."""

    def in_colour(cases: Sequence[Case]) -> tuple[Case, ...]:
        return tuple(replace(c, image=torch.cat((1.5 * c.image, c.image, c.image))) for c in cases)

    parts = {name: in_colour(getattr(cohort, name)) for name in ("labelled", "unlabelled", "validation")}
    card = cohort.card.model_copy(update={"modality": ("red", "green", "blue")})
    return replace(cohort, card=card, fingerprint=f"{cohort.fingerprint} in colour", **parts)


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
    teachers: Sequence[Segmenter] = (),
    **budget: float,
) -> tuple[Learner, Curves]:
    """The learner and its curves after the loop that `fit` runs, before `forget`.

    With `stop`, a KeyboardInterrupt ends it when the batch of that step is asked for; called again with the
    same folder, it goes on from the last checkpoint. `watch` is called with the learner and each step done.
    """
    limits, fabric = tiny_budget(**budget), make_fabric(precision)
    with reproducible(fabric.device):
        learner, batches = begin(target, cohort, limits, seed, fabric, teachers)

        class Cut:
            unlabelled_shapes = batches.unlabelled_shapes
            labelled_shapes = batches.labelled_shapes

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
    """A loss that a step did not have is NaN in a table."""
    return [{n: value for n, value in row.items() if n != "seconds" and value == value} for row in rows]
