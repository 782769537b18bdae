"""A task, networks and a cohort of a blink, for the tests of Bayesian networks."""

import torch
from torch import Tensor, nn

from medseg_lab.data.batch import Batch
from medseg_lab.data.card import Card
from medseg_lab.data.case import Case
from medseg_lab.data.cohort import Cohort
from medseg_lab.data.task import Task
from medseg_lab.networks.unet import UNet
from medseg_lab.training.recipe import recipe

TASK = Task(1, ("background", "a", "b"), 2)
NETWORK = recipe(UNet, features=(2, 4))


class Pixelwise(nn.Module):
    """A 1x1 convolution of every pixel for itself."""

    def __init__(self, in_channels: int = 1, out_channels: int = 3, spatial_dims: int = 2) -> None:
        super().__init__()
        self.mix = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.mix(image)


def batch(n: int = 2, edge: int = 8, seed: int = 0) -> Batch:
    """Noise, with labels that follow from it."""
    image = torch.randn(n, 1, edge, edge, generator=torch.Generator().manual_seed(seed))
    return Batch(image, (image[:, 0] > 0).long() + (image[:, 0] > 1))


def seeded(learner, image: Tensor, n: int, seed: int = 7) -> Tensor:
    """Samples without a gradient, from a state of the generator that is always the same."""
    torch.manual_seed(seed)
    with torch.no_grad():
        return learner.sample(image, n)


def tiny_cohort() -> Cohort:
    """Disks in noise, 10 x 9 pixels."""
    said = {
        "id": "tiny",
        "title": "disks",
        "publisher": "the tests",
        "licence": "none",
        "citation": "none",
        "home": "none",
        "size_mb": 0,
        "modality": ["noise"],
        "spatial_dims": 2,
        "classes": ["background", "disk"],
        "patient_rule": "one case each",
        "reader": "msd",
        "preprocessing": {"patch": [8, 8], "mirror": [0]},
    }
    cases = tuple(tiny_case(number) for number in range(4))
    return Cohort(
        card=Card.model_validate(said),
        labelled=cases[:2],
        unlabelled=(),
        validation=cases[2:3],
        fingerprint="tiny disks",
        total=4,
        test_size=1,
        sealed=lambda: cases[3:],
    )


def tiny_case(number: int) -> Case:
    axes = torch.meshgrid(torch.linspace(-1, 1, 10), torch.linspace(-1, 1, 9), indexing="ij")
    disk = sum(axis**2 for axis in axes) < 0.4 + 0.05 * number
    image = disk + 0.3 * torch.randn(10, 9, generator=torch.Generator().manual_seed(number))
    return Case(f"c{number}", f"p{number}", image[None], disk[None].to(torch.uint8), (1.0, 1.0))
