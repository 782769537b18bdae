"""The first chapter's pictures of many cases: the split, the seed and the interval, by hand."""

import numpy as np
import pytest
import torch
from legible import assert_legible
from scipy import stats
from toys import task

from medseg_lab.data.case import Case
from medseg_lab.evaluation.crossed import estimate
from medseg_lab.show.first_lesson.intervals import DRAWN, drawn_samples, many_intervals
from medseg_lab.show.first_lesson.nearest_slice import (
    Slice,
    all_slices,
    copied,
    nearest_slices,
    shown_slices,
)
from medseg_lab.show.first_lesson.seeds import seeds_seen


def one(patient: str, index: int, grey: float, label: list[int]) -> Slice:
    return Slice(patient, index, np.full((1, 4), grey), np.array([label], np.uint8), 1.0)


FULL, HALF, NONE = [1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]

TWO = [
    *(
        one("a", i, grey, label)
        for i, (grey, label) in enumerate([(0, HALF), (1, FULL), (1.2, FULL), (5, HALF)])
    ),
    *(
        one("b", i, grey, label)
        for i, (grey, label) in enumerate([(2, HALF), (6.5, NONE), (6, FULL), (1.9, HALF)])
    ),
]
"""Of each patient, the third slice is held out: greys 1.2 and 6."""


def test_masks_are_copied_from_the_nearest_training_slice():
    """Grey 1.2 is nearest to 1 of its own patient, and to 1.9 of the other one: Dice 1 and 4 / 6.

    Grey 6 is nearest to 6.5 of its own patient, where nothing is marked, and to 5 of the other: 0 and 4 / 6.
    """
    found = copied(TWO, task(3, 2))
    assert [(of.held_out.patient, of.held_out.index) for of in found] == [("a", 2), ("b", 2)]
    assert [[source.patient for source in of.sources] for of in found] == [["a", "b"], ["b", "a"]]
    assert [[source.index for source in of.sources] for of in found] == [[1, 3], [1, 3]]
    assert found[0].dice == pytest.approx((1, 2 * 2 / 6))
    assert found[1].dice == pytest.approx((0, 2 * 2 / 6))


def test_what_is_held_out_is_copied_from_nowhere():
    found = copied(TWO, task(3, 2))
    held = {(of.held_out.patient, of.held_out.index) for of in found}
    for of in found:
        assert not held & {(source.patient, source.index) for source in of.sources}
        assert of.sources[1].patient != of.held_out.patient


def test_slices_of_one_patient_cannot_be_split_by_patient():
    with pytest.raises(ValueError, match="expected those of 2 patients or more, got 1"):
        copied(TWO[:4], task(3, 2))


def volume(name: str, shape: tuple[int, int, int], top: int) -> Case:
    label = torch.zeros(shape, dtype=torch.uint8)
    label[2:6, 2:6, 1:top] = 1
    label[2:3, 2:3, top] = 1  # one voxel: less than a quarter of 16
    image = torch.rand((1, *shape), generator=torch.Generator().manual_seed(top))
    return Case(name, name, image, label[None], (1.0, 1.0, 1.0))


def test_slices_have_one_size_and_nearly_empty_ones_are_left_out():
    found = all_slices([volume("a", (8, 10, 6), 3), volume("b", (10, 8, 6), 4)])
    assert [(of.patient, of.index) for of in found] == [("a", 1), ("a", 2), ("b", 1), ("b", 2), ("b", 3)]
    assert {of.image.shape for of in found} == {of.label.shape for of in found} == {(8, 8)}
    assert all(of.label.sum() == 16 for of in found)


def test_pictures_have_no_slices():
    flat = Case("flat", "flat", torch.zeros(1, 8, 8), torch.ones(1, 8, 8, dtype=torch.uint8), None)
    with pytest.raises(ValueError, match="case flat: expected a volume"):
        all_slices([flat])


def test_the_figure_says_whose_slice_was_copied_and_all_means():
    cases = [volume(name, (24, 24, 14), 12) for name in ("a", "b")]
    found = copied(all_slices(cases), task(3, 2))
    numbers = shown_slices(found, most=3)
    assert numbers[0] == 1
    assert numbers[-1] == len(found)
    fig = nearest_slices(found, task(3, 2))(slice=numbers[1])
    assert "from b" in fig.axes[2].get_title("center") or "from a" in fig.axes[2].get_title("center")
    means = np.mean([of.dice for of in found], axis=0)
    names = [label.get_text() for label in fig.axes[3].get_yticklabels()]
    assert names == [f"split by slice\nmean {means[0]:.2f}", f"split by patient\nmean {means[1]:.2f}"]
    assert_legible(fig)


# the seed


A, B = [[0.8, 0.6], [0.7, 0.5], [0.7, 0.5]], [[0.7, 0.5], [0.8, 0.6], [0.9, 0.5]]


def test_who_leads_changes_with_the_seeds_seen():
    """Means of A and B: .7 and .6 of the first seed; .65 and .65 of two; .633 and .667 of three."""
    draw = seeds_seen({"A": np.array(A), "B": np.array(B)})
    assert draw(seeds=1).axes[0].get_title("center") == "1 training of each method: A leads by 0.100"
    assert "both alike" in draw(seeds=2).axes[0].get_title("center")
    assert "3 trainings of each method: B leads by 0.033" in draw(seeds=3).axes[0].get_title("center")


def test_the_interval_is_that_of_the_crossed_model():
    a, b = np.array(A), np.array(B)
    fig = seeds_seen({"A": a, "B": b})(seeds=3)
    found = estimate((a - b)[None])
    assert fig.axes[1].get_title("center").endswith(f"[{found.low[0]:+.3f}, {found.high[0]:+.3f}]")
    assert len([line for line in fig.axes[1].lines if line.get_marker() == "o"]) == 3


def test_seeds_that_are_not_seen_do_not_count():
    a, b = np.array(A), np.array(B)
    other = np.concatenate([b[:1], b[1:] / 2])
    first, again = (seeds_seen({"A": a, "B": of})(seeds=1) for of in (b, other))
    assert first.get_label() == again.get_label()


def test_one_patient_has_no_interval():
    fig = seeds_seen({"A": np.array([[0.8], [0.7]]), "B": np.array([[0.7], [0.8]])})(seeds=2)
    assert "none: one patient" in fig.get_label()


def test_two_methods_are_compared():
    with pytest.raises(ValueError, match="expected 2 methods, got 1"):
        seeds_seen({"A": np.array(A)})


def test_the_picture_of_seeds_is_legible():
    rng = np.random.default_rng(0)
    dice = {name: 0.8 + 0.02 * rng.standard_normal((5, 12)) for name in ("U-Net", "U-Net of two levels")}
    for seeds in (1, 5):
        assert_legible(seeds_seen(dice)(seeds=seeds))


# the interval


def test_intervals_are_students():
    values = np.random.default_rng(1).normal(0.8, 0.05, 30)
    found, holds = drawn_samples(values, 4)
    sample = np.random.default_rng(0).choice(values, (DRAWN, 1, 4))[0, 0]
    reach = stats.t.ppf(0.975, 3) * sample.std(ddof=1) / 2
    assert found.low[0] == pytest.approx(sample.mean() - reach)
    assert found.high[0] == pytest.approx(sample.mean() + reach)
    assert holds[0] == (abs(sample.mean() - values.mean()) <= reach)


@pytest.mark.parametrize("patients", [3, 10, 50])
def test_of_normal_values_95_percent_hold_the_mean_of_all(patients):
    values = stats.norm.ppf((np.arange(200) + 0.5) / 200)
    assert drawn_samples(values, patients)[1].mean() == pytest.approx(0.95, abs=0.015)


def test_where_all_patients_are_alike_every_interval_holds_the_mean():
    assert drawn_samples(np.full(7, 0.81), 3)[1].all()
    assert drawn_samples(np.array([0.81]), 3)[1].all()


def test_the_figure_counts_what_it_draws():
    values = np.random.default_rng(1).normal(0.8, 0.05, 30)
    fig = many_intervals(values)(patients=5)
    holds = drawn_samples(values, 5)[1]
    assert f"5 patients: {holds.mean():.0%} of 2,000 hold the mean of all" in fig.get_label()
    drawn = [len(line.get_xdata()) for line in fig.axes[1].lines[:2]]
    assert drawn == [holds[:40].sum(), 40 - holds[:40].sum()]
    assert_legible(fig)
