"""Slab by slab is what the whole image gives, to the last bit."""

import pytest
import torch
from torch import nn

from medseg_lab.inference.images.slabs import by_slabs
from medseg_lab.inference.windows import by_windows

OVERLAP = 0.25


def network(dims: int) -> nn.Module:
    """It looks at its neighbours, so that a window's border shows."""
    torch.manual_seed(0)
    conv = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[dims]
    return nn.Sequential(conv(2, 4, 3, padding=1), nn.ReLU(), conv(4, 3, 3, padding=1), nn.Softmax(1))


@pytest.mark.parametrize("together", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("shape", "window"),
    [
        ((20, 9, 10), (8, 8, 8)),
        ((8, 8, 8), (8, 8, 8)),
        ((5, 9, 10), (8, 8, 8)),  # smaller than the window along the axis of the slabs
        ((20, 5, 3), (8, 8, 8)),  # and along the others
        ((17, 6, 6), (5, 6, 6)),
        ((3, 4, 5), (8, 8, 8)),
        ((31, 20), (16, 12)),  # in 2D
    ],
)
def test_slabs_of_a_volume_are_those_of_the_whole(shape, window, together):
    image, look = torch.randn(2, *shape), network(len(window))
    with torch.inference_mode():
        whole = by_windows(look, image[None], window, OVERLAP, together)[0]
        slabs = list(by_slabs(look, lambda at: image[:, *at], shape, window, OVERLAP, together))
    assert torch.equal(torch.cat(slabs, dim=1), whole)


@pytest.mark.parametrize("together", [1, 3, 100])
@pytest.mark.parametrize("window", [(8, 8), (16, 16), (12, 5)])
def test_slabs_of_slices_are_those_of_the_whole(window, together):
    image, look = torch.randn(2, 7, 12, 10), network(2)
    with torch.inference_mode():
        whole = by_windows(look, image.movedim(1, 0), window, OVERLAP, together).movedim(0, 1)
        slabs = list(by_slabs(look, lambda at: image[:, *at], (7, 12, 10), window, OVERLAP, together, True))
    assert torch.equal(torch.cat(slabs, dim=1), whole)


def test_there_are_never_more_rows_than_windows_that_go_together_need():
    image, look = torch.randn(2, 64, 8, 8), network(3)
    with torch.inference_mode():
        slabs = list(by_slabs(look, lambda at: image[:, *at], (64, 8, 8), (8, 8, 8), OVERLAP, 1))
    assert sum(slab.shape[1] for slab in slabs) == 64
    assert (
        max(slab.shape[1] for slab in slabs) == 8
    )  # windows start every 6 rows; the last one is finished whole
