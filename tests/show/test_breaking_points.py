"""Dice against the strength of what makes images worse, and a slice under the dials."""

import pytest
import torch
from toys import tiny_cohort

from medseg_lab.classical.region_growing import RegionGrowing
from medseg_lab.classical.threshold import Otsu
from medseg_lab.data.batch import Batch
from medseg_lab.show.breaking_points import breaking_curves, breaking_points, under_dials
from medseg_lab.show.figure import described

COHORT = tiny_cohort(2, 2, shape=(24, 20), patch=16)
CASES = [*COHORT.labelled, *COHORT.validation]


def taught(kind, **arguments):
    """A learner that has seen the labelled cases."""
    learner = kind(COHORT.task, **arguments)
    for case in COHORT.labelled:
        learner.losses(Batch(case.image[None], case.label.long()[None]), 0)
        learner.after_step(0)
    return learner


LEARNERS = {"Otsu": taught(Otsu), "one click": taught(RegionGrowing, seeds="clicks", reach=2.0)}


@pytest.fixture(scope="module")
def table():
    return breaking_points(LEARNERS, COHORT, CASES, {"noise": (1.0, 4.0), "contrast": (0.9,)})


def test_each_dial_begins_with_the_cases_as_they_are(table):
    assert table.groupby(["method", "dial"])["strength"].unique().map(list).to_dict() == {
        (name, dial): strengths
        for name in LEARNERS
        for dial, strengths in {"noise": [0.0, 1.0, 4.0], "contrast": [0.0, 0.9]}.items()
    }
    assert len(table) == len(CASES) * len(LEARNERS) * (3 + 2)
    plain = table[table["strength"] == 0].set_index(["method", "case"])
    for of in plain["dice"].groupby(level=[0, 1]).unique():
        assert len(of) == 1  # the same for both dials


def test_a_worse_image_is_segmented_worse_and_a_click_is_given_each_time(table):
    dice = table.groupby(["method", "dial", "strength"])["dice"].mean()
    assert dice["Otsu", "noise", 4.0] < dice["Otsu", "noise", 0.0] - 0.1
    assert dice["one click", "noise", 0.0] > 0.5


def test_the_curves_say_where_they_begin_and_end(table):
    fig = breaking_curves(table)
    shown = [ax for ax in fig.axes if ax.get_visible()]
    assert [ax.get_xlabel() for ax in shown] == ["noise (standard deviations)", "contrast (share lost)"]
    mean = table[(table["method"] == "Otsu") & (table["dial"] == "noise")].groupby("strength")["dice"].mean()
    assert f"noise, Otsu: from {mean[0.0]:.2f} to {mean[4.0]:.2f}" in described(fig)


def test_a_slice_under_the_dials_has_a_panel_for_each_method():
    draw = under_dials(LEARNERS, COHORT, CASES[0])
    plain, worse = draw(noise=0.0, blur=0.0), draw(noise=4.0, blur=0.0)
    titles = [ax.get_title().split("\n")[0] for ax in plain.axes]
    assert [title for title in titles if title] == ["image", "reference", "Otsu", "one click"]
    assert "noise 4 (standard deviations), blur 0 (mm)" in described(worse)
    images = [torch.as_tensor(fig.axes[0].images[0].get_array().data) for fig in (plain, worse)]
    assert not torch.allclose(*images)


def test_what_cannot_be_shown_is_refused():
    with pytest.raises(ValueError, match="dials: expected some of contrast, noise, blur, shading, got 'fog'"):
        breaking_points(LEARNERS, COHORT, CASES, {"fog": (1.0,)})
    with pytest.raises(ValueError, match="learners: expected 1 to 6, got 0"):
        under_dials({}, COHORT, CASES[0])
