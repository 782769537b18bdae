"""The pull of a loss at one voxel, against derivatives by hand."""

import numpy as np
import pytest
import torch

from medseg_lab.losses.cross_entropy import CrossEntropy
from medseg_lab.losses.dice import Dice
from medseg_lab.losses.focal import Focal
from medseg_lab.show.explorer import frame
from medseg_lab.show.loss_pulls import GRID, loss_pulls, printed, pulls, pulls_of_formula
from tests.show.legible import assert_legible


@pytest.mark.parametrize("label", [0, 1])
def test_the_pull_of_cross_entropy_is_the_error_and_of_focal_loss_its_derivative(label):
    np.testing.assert_allclose(pulls(CrossEntropy(), label, 0.1), label - GRID, atol=1e-12)
    right = GRID if label else 1 - GRID  # p of the true class, t
    # d/dt of (1 - t)^2 log t, times dt/dz = t (1 - t)
    slope = -2 * (1 - right) * np.log(right) + (1 - right) ** 2 / right
    wanted = (1 if label else -1) * slope * right * (1 - right)
    np.testing.assert_allclose(pulls(Focal(), label, 0.1), wanted, atol=1e-12)


def test_the_pull_of_dice_by_hand():
    # 999 others, 100 of them foreground with p = .8, and 899 with .05: Dice (2 (80 + p y) + 1) / (sums + 1)
    for label in (0, 1):
        above, below = 2 * (80 + GRID * label) + 1, 80 + 899 * 0.05 + GRID + 100 + label + 1
        slope = (2 * label * below - above) / below**2
        np.testing.assert_allclose(pulls(Dice(), label, 0.1), 1000 * slope * GRID * (1 - GRID), rtol=1e-9)


def test_as_printed_the_background_is_pulled_the_wrong_way():
    found, wanted = pulls_of_formula(lambda p, y: printed(p, y, 0.0), 0), pulls(CrossEntropy(), 0, 0.1)
    np.testing.assert_allclose(found, -wanted, atol=1e-12)
    np.testing.assert_allclose(pulls_of_formula(lambda p, y: printed(p, y, 0.0), 1), 1 - GRID, atol=1e-12)
    p = torch.tensor([0.2, 0.9])
    torch.testing.assert_close(printed(p, torch.zeros(2), 2.0), p**2 * (1 - p).log())


def test_the_figure_says_what_it_shows_and_moves():
    fig = loss_pulls(gamma=2.0, foreground="1%")
    assert_legible(fig)
    assert "on the foreground and on the background: cross-entropy 0.5 and -0.5" in frame(fig).alt
    assert frame(fig).data != frame(loss_pulls(gamma=2.0, foreground="10%")).data
    with pytest.raises(ValueError, match="share: expected one with voxels of both classes among 999, got 0"):
        pulls(Dice(), 0, 0.0)
