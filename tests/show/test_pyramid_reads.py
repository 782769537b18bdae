"""The blocks that are drawn are where the kernels read, and those outside the image are counted."""

import pytest
import torch
from legible import assert_legible

from medseg_lab.data.case import Case
from medseg_lab.networks.deeplab import Pyramid
from medseg_lab.show.pyramid_reads import offsets, pyramid_reads


def test_offsets_are_those_of_the_rate():
    pyramid = Pyramid(2, 3, 4, [2], "instance")
    assert offsets(pyramid.near) == [(0, 0)]
    assert offsets(pyramid.far[0]) == [(i, j) for i in (-2, 0, 2) for j in (-2, 0, 2)]


@pytest.mark.parametrize("shape", [(64, 96), (64, 96, 5)])
def test_blocks_inside_and_outside_are_counted(shape):
    """The map has 4 x 6 pixels and its middle is (2, 3): a rate of 2 loses the row below, one of 4 all."""
    image, label = torch.rand(1, *shape), torch.zeros(1, *shape, dtype=torch.uint8)
    fig = pyramid_reads(Pyramid(2, 3, 4, [2, 4], "none"), Case("c", "p", image, label, None))
    said = ["1x1: 1 of 1", "rate 2: 6 of 9", "rate 4: 1 of 9", "mean: 24 of 24"]
    assert [ax.get_title() for ax in fig.axes] == said  # a slice of the volume is turned: 6 x 4, from (3, 2)
    assert [len(ax.patches) for ax in fig.axes] == [1, 9, 9, 24]
    assert_legible(fig)
