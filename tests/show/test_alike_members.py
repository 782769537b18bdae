"""Errors that are alike cannot be averaged away."""

import numpy as np
import pytest

from medseg_lab.show.alike_members import STEEP, STRENGTH, alike_members, disc, probabilities
from tests.show.legible import assert_legible


def errors(members: int, alike: float) -> np.ndarray:
    p = probabilities(members, alike)
    return (np.log(p / (1 - p)) - STEEP * disc()) / STRENGTH


@pytest.mark.parametrize("alike", [0.0, 0.5, 1.0])
def test_errors_have_variance_1_and_correlate_as_they_are_asked_to(alike):
    found = errors(16, alike).reshape(16, -1)
    between = np.corrcoef(found)[~np.eye(16, dtype=bool)]
    assert found.var(axis=1).mean() == pytest.approx(1, abs=0.1)
    assert between.mean() == pytest.approx(alike, abs=0.05)
    # fields of 96 pixels smoothed over 4 have few independent places, so this holds roughly
    assert found.mean(axis=0).var() == pytest.approx(alike + (1 - alike) / 16, abs=0.1)


def test_averaging_gains_nothing_where_all_err_alike_and_most_where_they_do_not():
    def dice(fig) -> list[float]:
        return [float(ax.get_title().split()[-1]) for ax in fig.axes]

    same, half, apart = (dice(alike_members(16, alike)) for alike in (1.0, 0.5, 0.0))
    assert same[0] == same[1] == same[2]
    assert half[0] < half[2] < apart[2]
    fig = alike_members(4, 0.5)
    assert "62% of the errors' variance is left" in fig.get_label()  # 1/2 + 1/8
    assert_legible(fig)
