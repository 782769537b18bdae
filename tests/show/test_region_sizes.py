"""Sizes of regions against the truth, and the penalty around one of them."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from toys import one_weight

from medseg_lab.data.case import IGNORE, Case
from medseg_lab.data.task import Task
from medseg_lab.semi.curriculum_size import CurriculumSize
from medseg_lab.show.region_sizes import penalty_curve, region_sizes, size_scatter, within
from tests.show.legible import assert_legible

TASK = Task(1, ("background", "a"), 3)


class Bright(nn.Module):
    """Says that whatever is brighter than 0 belongs to the class."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(()))

    def forward(self, image: Tensor) -> Tensor:
        return (image > 0).float().flatten(2).mean(dim=2)


def learner(patch: tuple[int, ...] = (8, 8), **arguments: float) -> CurriculumSize:
    made = one_weight(CurriculumSize, 100.0, **arguments)
    made.regressor, made.patch = Bright(), patch
    return made.eval()


def case(dims: int = 3) -> Case:
    """Three slices of 5 x 6: the first shows nothing, the second 4 pixels, the last 6 and one left open."""
    label = torch.zeros((5, 6, 3), dtype=torch.uint8)
    label[1:3, 1:3, 1], label[1:4, 1:3, 2], label[0, 0, 2] = 1, 1, IGNORE
    image = torch.where(label == 1, 1.0, -1.0)
    image[4, 4:, :] = 1.0  # two bright pixels more in each slice
    if dims == 2:
        image, label = image[..., 1], label[..., 1]
    return Case("one", "p", image[None], label[None], (1.0,) * dims)


@pytest.mark.parametrize("factor", [1.0, 1.5])
@pytest.mark.parametrize("dims", [2, 3])
def test_a_row_has_the_true_size_and_those_of_regressor_and_network(dims, factor):
    """A slice is padded to the patch with 0, which is not bright; one with a pixel left open is left out."""
    table = region_sizes(learner(factor=factor), [case(dims)], TASK)
    (row,) = table.to_dict("records")
    assert (row["case"], row["slice"], row["class"]) == ("one", 1 if dims == 3 else 0, "a")
    assert (row["true"], row["found"]) == (4, pytest.approx(6))  # sigmoid of +-100 is 1 or 0
    assert row["expected"] == pytest.approx(6)


def test_shares_within_the_tolerance():
    true, size = pd.Series([10.0, 10.0, 10.0, 100.0]), pd.Series([9.0, 11.5, 10.0, 130.0])
    assert within(true, size, 0.1) == 0.5
    assert within(true, size, 0.3) == 1


def table() -> pd.DataFrame:
    names = ["a long name of a class", "b"]
    rows = [("one", 0, k, 10.0, 9.5, 14.0) for k in names] + [("one", 1, k, 20.0, 30.0, 21.0) for k in names]
    return pd.DataFrame(rows, columns=["case", "slice", "class", "true", "expected", "found"])


@pytest.mark.filterwarnings("error")
def test_sizes_are_drawn_where_they_are_and_words_do_not_overlap():
    fig = size_scatter(table())
    first = fig.axes[0]
    said, drawn = first.lines
    assert np.column_stack([said.get_xdata(), said.get_ydata()]).tolist() == [[10, 9.5], [20, 30]]
    assert drawn.get_ydata().tolist() == [14, 21]
    assert fig.axes[1].get_title("center") == "b\nin the band: R 50%, s 50%"
    assert "b, 2 slices: R 50%, s 50%" in fig.get_label()
    assert_legible(fig)
    with pytest.raises(ValueError, match="table: expected one or more sizes, got none"):
        size_scatter(table()[:0])


@pytest.mark.filterwarnings("error")
def test_the_penalty_and_its_slope_around_a_size():
    """R = 30, s = 21, truth 20: at 10% s is (27 - 21)^2 = 36 away; at 30% s is free and the truth 1 away."""
    draw = penalty_curve(table().iloc[2])
    fig = draw(0.1)
    above, below = fig.axes
    costs = {line.get_label(): line.get_ydata()[0] for line in above.lines[1:]}
    assert costs == pytest.approx(
        {"true size: 20": 49, "the network's s: 21": 36, "the regressor's R: 30": 0}, abs=1e-3
    )
    x, slope = below.lines[0].get_data()
    np.testing.assert_allclose(
        slope, np.where(x < 27, 2 * (x - 27), np.where(x > 33, 2 * (x - 33), 0)), atol=1e-3
    )
    assert_legible(fig)
    wide = draw(0.3)
    assert "none from 21 to 39 pixels" in wide.get_label()
    assert "true size" not in wide.get_label().split("Without a penalty")[1]
