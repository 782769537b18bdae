"""The sliding window, held to MONAI's."""

import pytest
import torch
from monai.inferers.utils import sliding_window_inference
from torch.nn import functional as F

from medseg_lab.inference.windows import by_windows, places

SHAPES = [
    ((40, 25), (16, 16)),
    ((16, 16), (16, 16)),  # one window
    ((9, 7), (16, 12)),  # smaller than the window
    ((9, 40), (16, 16)),  # along one axis
    ((33, 20, 17), (16, 16, 16)),
    ((10, 30, 9), (16, 8, 16)),
    ((5, 5, 5), (8, 9, 10)),
]


def look(patches):
    """Two maps in which the place in the window counts, as it does near the border of a network's."""
    ramp = torch.linspace(0, 1, patches.shape[-1])
    return F.softmax(torch.cat([patches * ramp, patches.flip(-2)], dim=1), dim=1)


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.7])
@pytest.mark.parametrize(("shape", "window"), SHAPES)
def test_agrees_with_monai(shape, window, overlap):
    images = torch.randn(3, 1, *shape)
    theirs = sliding_window_inference(images, window, 4, look, overlap=overlap, mode="gaussian")
    ours = by_windows(look, images, window, overlap, together=4)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(30, 20), (8, 8)])
def test_so_many_go_together_and_no_more(shape):
    seen = []

    def noting(patches):
        seen.append(len(patches))
        return look(patches)

    found = [by_windows(noting, torch.ones(5, 1, *shape), (8, 8), 0.25, together=n) for n in (2, 100)]
    assert max(seen[:-1]) == 2
    assert seen[-1] == sum(seen[:-1])
    torch.testing.assert_close(found[0], found[1])


def test_windows_cover_all_and_stay_inside():
    covered = torch.zeros(23)
    for (place,) in places((23,), (8,), 0.25):
        assert place.start >= 0
        assert place.stop <= 23
        covered[place] += 1
    assert covered.tolist() == [1] * 6 + [2] * 2 + [1] * 4 + [2] * 2 + [1] + [2] * 5 + [1] * 3
