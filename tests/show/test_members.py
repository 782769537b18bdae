"""Figure 10 shows what the members say, and the curve is that of their means."""

import numpy as np
import pytest
import torch

from medseg_lab.data.task import Task
from medseg_lab.show.members import members_curve, show_members
from tests.show.drawn_cases import drawn, flat_case, square
from tests.show.legible import assert_legible

TASK = Task(1, ("background", "nodule"), 2)
TRUTH = square(10, 20)
ONE = drawn(flat_case([TRUTH]), TRUTH, square(10, 15), square(15, 20))
"""The first member is right; the others have a quarter each, and overlap in nothing."""
NAMES = ["right", "upper", "U-Net++, a long name"]


def maps(fig) -> dict[str, np.ndarray]:
    """What each panel shows, by the first line of its title."""
    titled = {ax.get_title().split("\n")[0]: ax for ax in fig.axes if ax.get_title()}
    return {name: np.asarray(ax.images[-1].get_array()) for name, ax in titled.items()}


def test_the_mean_is_that_of_the_members_and_the_variance_theirs():
    fig = show_members(ONE, NAMES, TASK)
    found = maps(fig)
    assert list(found)[:5] == ["image", "mean", "variance over", "right", "upper"]
    p = list(found.values())[3:]  # .9 inside, .1 outside
    np.testing.assert_allclose(found["mean"], np.mean(p, axis=0), atol=1e-6)
    np.testing.assert_allclose(found["variance over"], 2 * np.var(p, axis=0), atol=1e-6)
    assert {round(float(v), 4) for v in np.unique(found["mean"])} == {0.1, 0.3667, 0.6333}
    # all 100 pixels are marked by one member: 50 of them by that one alone, 50 by two of three
    assert f"Their variance is {2 * 0.64 * 2 / 9:.3f} on average" in fig.get_label()
    assert_legible(fig)


def test_its_numbers_are_the_dice_of_the_members_and_of_the_mean():
    said = show_members(ONE, NAMES, TASK).get_label()
    # a quarter of the square: 2 * 25 / 125; the mean has the 50 pixels that two of three mark: 2 * 50 / 150
    assert "right 1.000, upper 0.400" in said
    assert "of their mean: 0.667" in said


def test_every_member_needs_a_name():
    with pytest.raises(ValueError, match="names: expected 3, one a member, got 1"):
        show_members(ONE, ["a"], TASK)


def test_the_curve_is_the_mean_over_all_choices_of_so_many():
    from medseg_lab.evaluation.members import dice_of_subsets

    table = dice_of_subsets([ONE], TASK)
    assert table["which"].tolist() == ["1", "2", "3", "1, 2", "1, 3", "2, 3", "1, 2, 3"]
    # of two that differ the background wins a tie: the right one with a quarter gives that quarter
    assert table["dice"].tolist() == pytest.approx([1, 0.4, 0.4, 0.4, 0.4, 0, 2 / 3])
    fig = members_curve({"U-Net": table[:1], "three": table}, "one case")
    assert "three: 0.600 with 1, 0.267 with 2, 0.667 with 3" in fig.get_label()
    means = fig.axes[0].lines[3]
    assert means.get_ydata().tolist() == pytest.approx([0.6, 0.8 / 3, 2 / 3])
    assert_legible(fig)
    with pytest.raises(ValueError, match="gains: expected one ensemble or more, got none"):
        members_curve({}, "none")


def test_cases_without_a_class_do_not_count():
    from medseg_lab.evaluation.members import dice_of_subsets

    nothing = torch.zeros_like(TRUTH)
    empty = drawn(flat_case([nothing]), nothing, nothing, nothing)
    assert (
        dice_of_subsets([ONE, empty], TASK)["dice"].tolist() == dice_of_subsets([ONE], TASK)["dice"].tolist()
    )
