"""What heads of classes and pixels say, drawn: cells in their places, slices in their order."""

import re

import pytest
import torch

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.networks.unet import UNet
from medseg_lab.show.class_presence import enlarged, head_and_pixels, presence_grid, slices
from medseg_lab.show.figure import described
from medseg_lab.training.fine_class import FineClass
from medseg_lab.training.recipe import recipe
from medseg_lab.training.task_decomposition import TaskDecomposition
from tests.show.legible import assert_legible


def task(dims: int, classes: int = 3) -> Task:
    return Task(1, ("background", "front", "back", "side", "top")[:classes], dims)


def case(dims: int, classes: int = 3) -> Case:
    """Class 1 in the slices 1 and 2, class 2 in the slice 3 alone; in 2D both."""
    label = torch.zeros(1, 20, 18, 5, dtype=torch.uint8)
    label[0, 2:8, 2:9, 1:3] = 1
    label[0, 12:15, 10:13, 3] = classes - 1
    image = torch.randn(1, 20, 18, 5, generator=torch.Generator().manual_seed(0))
    if dims == 2:
        return Case("c", "p", image[..., 0], label.amax(3), (1.0, 1.0))
    return Case("c", "p", image, label, (1.0, 1.0, 3.0))


def made(method, dims: int, classes: int = 3, **arguments):
    torch.manual_seed(0)
    network = recipe(UNet, features=(4, 6, 8))
    learner = method(task(dims, classes), network=network, spatial_dims=2, **arguments).eval()
    learner.patch = (16, 16)
    return learner


def test_a_value_of_the_grid_fills_its_cell_and_the_last_ones_are_cut():
    grid = torch.tensor([[[[1, 2], [3, 4]]]])
    assert enlarged(grid, (2, 3), (3, 5))[0, 0].tolist() == [
        [1, 1, 1, 2, 2],
        [1, 1, 1, 2, 2],
        [3, 3, 3, 4, 4],
    ]


def test_the_slices_of_a_volume_are_in_order_and_pictures_are_images():
    volume, picture = case(3), case(2)
    images, labels = slices([volume], 2)
    assert torch.equal(torch.cat(images)[:, 0].permute(1, 2, 0), volume.image[0])
    assert torch.equal(torch.cat(labels).permute(1, 2, 0), volume.label.long())
    assert [one.shape for one in slices([picture, picture], 2)[0]] == [(1, 1, 20, 18)] * 2


@pytest.mark.parametrize(("dims", "classes"), [(2, 3), (3, 2), (3, 5)])
@pytest.mark.filterwarnings("error")
def test_the_grid_names_each_class_and_how_often_the_head_is_right(dims, classes):
    fig = presence_grid(made(FineClass, dims, classes), case(dims, classes), task(dims, classes))
    shown = min(classes - 1, 3)
    assert described(fig, None).startswith("Which classes each cell of 4 x 4 pixels holds: front in ")
    assert len(re.findall(r"the head right in \d+%", described(fig, None))) == shown
    assert_legible(fig)


@pytest.mark.parametrize(("dims", "classes"), [(2, 3), (3, 2), (3, 5)])
@pytest.mark.filterwarnings("error")
def test_the_lines_of_head_and_pixels_are_those_of_the_learner(dims, classes):
    one, other = made(TaskDecomposition, dims, classes), made(FineClass, dims, classes, cells=False)
    cases = [case(dims, classes)] * (1 if dims == 3 else 4)
    fig = head_and_pixels({"with": one, "without": other}, cases, task(dims, classes))
    first = fig.axes[0]
    images = slices(cases, 2)[0]
    with torch.no_grad():
        head = torch.stack([one.classes(image).flatten()[0] for image in images])
        pixels = torch.stack([one.predict(image)[0, 1].max() for image in images])
    for line, wanted in zip(first.lines, (head, pixels), strict=True):
        torch.testing.assert_close(torch.tensor(line.get_ydata()), wanted)
    assert "with " in described(fig, None)
    assert_legible(fig)
