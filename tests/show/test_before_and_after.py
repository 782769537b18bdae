"""What a picture of post-processing counts and paints."""

import numpy as np
import pytest
import torch
from legible import assert_legible
from matplotlib.colors import to_rgb
from toys import task

from medseg_lab.data.case import Case
from medseg_lab.show.before_and_after import RIGHT, WRONG, before_and_after, outcome


def test_each_voxel_is_made_right_or_wrong_or_neither():
    label = np.array([0, 1, 1, 2, 0, 255])
    before = np.array([0, 0, 1, 1, 1, 1])
    after = np.array([1, 1, 1, 3, 0, 0])
    assert outcome(before, after, label).tolist() == [2, 1, 0, 3, 1, 0]


def drawn(shape):
    """A square of class 1; the prediction has a speck and a hole, and each step mends one of them."""
    label = np.zeros(shape, dtype=np.uint8)
    label[(slice(6, 14),) * len(shape)] = 1
    before = label.copy()
    before[(7,) * len(shape)] = 0
    before[(2,) * len(shape)] = 1
    filled, cleaned = before.copy(), before.copy()
    filled[(7,) * len(shape)] = 1
    cleaned[(2,) * len(shape)] = 0
    cleaned[(9, 9, 7)[: len(shape)]] = 0
    cleaned[(9, 10, 7)[: len(shape)]] = 0
    case = Case("a", "p", torch.rand(1, *shape), torch.from_numpy(label)[None], None)
    return case, before, {"fill": filled, "clean": cleaned}


@pytest.mark.parametrize("shape", [(20, 20, 20), (20, 20)])
def test_its_panels_paint_what_changed_and_say_how_much(shape):
    case, before, after = drawn(shape)
    fig = before_and_after(case, before, after, task(len(shape)))
    assert [ax.get_title() for ax in fig.axes] == [
        "reference",
        "predicted",
        "fill\n1 right, 0 wrong",
        "clean\n1 right, 2 wrong",
    ]
    fill, clean = fig.axes[2:]  # slice 7 of a volume has most of what changed
    assert [count(fill, colour) for colour in (RIGHT, WRONG)] == [1, 0]
    assert [count(clean, colour) for colour in (RIGHT, WRONG)] == [0 if len(shape) == 3 else 1, 2]
    assert "fill: 1 right, 0 wrong; clean: 1 right, 2 wrong" in fig.get_label()
    assert_legible(fig)


def count(ax, colour):
    """Pixels of a colour that are painted over the image."""
    layers = [np.asarray(image.get_array()) for image in ax.images[1:]]
    return sum(
        int((np.isclose(one[..., :3], to_rgb(colour)).all(-1) & (one[..., 3] > 0)).sum()) for one in layers
    )


def test_where_nothing_changed_it_shows_the_reference():
    case, before, _ = drawn((20, 20, 20))
    fig = before_and_after(case, before, {"nothing": before}, task())
    assert "slice 6 of case a" in fig.get_label()
    assert fig.axes[-1].get_title() == "nothing\n0 right, 0 wrong"
