"""The dots are where the kernel reads, in pixels of the image as it is shown."""

import numpy as np
import torch
from drawn_cases import flat_case, square

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.networks.deformable import SLOWER, Deformable
from medseg_lab.networks.dilated import Dilated
from medseg_lab.networks.unet import UNet
from medseg_lab.show.kernel_positions import kernel_reader, places, where_it_reads

TASK = Task(1, ("background", "organ"), 2)
SMALL = {"features": (2, 2, 2)}


def dots(fig, panel: int = 0) -> set[tuple[float, float]]:
    (drawn,) = fig.axes[panel].collections[-1:]
    return {(float(x), float(y)) for x, y in drawn.get_offsets()}


def test_a_step_at_level_2_is_four_pixels_and_a_rate_multiplies_it():
    networks = {"plain": UNet(1, 2, **SMALL), "dilated": UNet(1, 2, block=Dilated((1, 2)), **SMALL)}
    fig = kernel_reader(flat_case([square(10, 30)]), networks, TASK)(column=21, row=9)
    # pixel (9, 21) is in voxel (2, 5) of the map, whose centre is at 2 * 4 + 1.5 and 5 * 4 + 1.5
    for panel, step in enumerate((4, 8)):
        assert dots(fig, panel) == {(21.5 + step * i, 9.5 + step * j) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    assert "column 21, row 9 of case one: plain, up to 6 pixels away; dilated, up to 12" in fig.get_label()


def test_a_slice_is_turned_and_its_dots_with_it():
    network = UNet(1, 2, features=(2, 2), block=Deformable(coarsest=1))
    network.encoder[1][1].offset.bias.data[:] = torch.tensor([1.0, 0.0]).repeat(9) / SLOWER
    label = torch.zeros(1, 16, 12, 5, dtype=torch.uint8)
    label[0, 4:9, 3:6, 2] = 1
    case = Case("two", "two", torch.rand(1, 16, 12, 5), label, (1.0, 1.0, 1.0))
    fig = kernel_reader(case, {"moved": network}, TASK, level=1)(column=6, row=3)
    # column 6 is 6 along the first axis, row 3 from above 11 - 3 = 8 along the second: voxel (3, 4)
    wanted = {(6.5 + 2 + 2 * i, 11 - (8.5 + 2 * j)) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    np.testing.assert_allclose(sorted(dots(fig)), sorted(wanted), atol=1e-5)
    rings = fig.axes[0].collections[-2].get_offsets()  # where it would read without its offsets
    assert {(float(x), float(y)) for x, y in rings} == {(x - 2, y) for x, y in wanted}


def test_places_are_about_the_reference():
    label = torch.zeros(1, 16, 12, 5, dtype=torch.uint8)
    label[0, 4:9, 3:6, 2] = 1
    case = Case("two", "two", torch.rand(1, 16, 12, 5), label, (1.0, 1.0, 1.0))
    assert places(case, most=3) == {"column": [4, 6, 8], "row": [6, 7, 8]}  # rows 11 - 5 to 11 - 3
    assert places(flat_case([square(10, 20)]), most=2) == {"column": [10, 19], "row": [10, 19]}


def test_there_is_a_place_for_each_voxel_of_a_padded_map():
    found, _, factor = where_it_reads(UNet(1, 2, **SMALL), torch.randn(1, 1, 37, 22), 1)
    assert (found.shape, factor) == ((9, 2, 20, 12), 2)
