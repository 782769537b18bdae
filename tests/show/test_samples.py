"""Samples below readings: repeats are left out, the numbers are those of what is seen."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.show.contours import CONTOURS
from medseg_lab.show.disagreement import disagreement_window
from medseg_lab.show.samples import distinct, in_words, mean_pairwise_iou, show_samples
from tests.show.drawn_cases import drawn, flat_case, square, sure
from tests.show.legible import assert_legible

TASK = Task(1, ("background", "nodule"), 2)
MANY = Task(1, ("background", "a", "b"), 3)
SMALL, LARGE, APART = square(10, 15), square(10, 20), square(20, 25)
CASE = flat_case([SMALL, LARGE])
"""25 and 100 pixels, 25 of them shared: IoU 1/4."""


def numpy(*labels: torch.Tensor) -> np.ndarray:
    return torch.stack(labels).numpy()


def rows(fig, columns: int) -> np.ndarray:
    """The panels, without the bar."""
    return np.array(fig.axes[:-1], dtype=object).reshape(-1, columns + 1)


def outlined(ax) -> bool:
    return bool(ax.collections)


def headings(fig, columns: int) -> list[str]:
    return [row[0].texts[0].get_text() for row in rows(fig, columns)]


def test_a_sample_that_was_drawn_before_is_not_distinct():
    first, second = sure(SMALL), sure(LARGE)
    nudged = second.clone()
    nudged[:, 3, 3] += torch.tensor([-0.01, 0.01])
    found = distinct(torch.stack([first, second, first, second + 1e-6, nudged]))
    torch.testing.assert_close(found, torch.stack([first, second, nudged]))


def test_likeness_is_the_mean_over_pairs_without_those_of_one_with_itself():
    assert mean_pairwise_iou(numpy(SMALL, LARGE), 2) == pytest.approx(1 / 4)
    assert mean_pairwise_iou(numpy(SMALL, LARGE, APART), 2) == pytest.approx((1 / 4 + 0 + 0) / 3)
    assert mean_pairwise_iou(numpy(SMALL, SMALL), 2) == 1


def test_likeness_is_the_mean_over_the_foreground_classes():
    both = SMALL + 2 * APART
    assert mean_pairwise_iou(numpy(both, LARGE + 2 * APART), 3) == pytest.approx((1 / 4 + 1) / 2)


def test_each_sample_is_held_against_the_rater_who_is_nearest():
    """1 with the first rater, 1/4 with the second; 0 with both."""
    said = in_words(numpy(SMALL, APART), numpy(SMALL, LARGE), 2)
    assert said == "IoU with one another 0.00, with the nearest rater 0.50"
    assert in_words(numpy(LARGE), numpy(SMALL), 2) == "always the same, IoU with the nearest rater 0.25"


def test_readings_stand_above_and_each_distinct_sample_once():
    one = drawn(CASE, SMALL, LARGE, SMALL, SMALL)
    fig = show_samples({"U-Net": drawn(CASE, SMALL, SMALL), "ensemble": one}, TASK, columns=4)
    seen = [[outlined(ax) for ax in row] for row in rows(fig, 4)]
    assert seen == [
        [True, True, False, False, False],
        [True, False, False, False, False],
        [True, True, False, False, False],
    ]
    blank = [[not ax.axison for ax in row] for row in rows(fig, 4)]
    assert blank[0] == [False, False, True, False, False]  # the image, without outlines, before the votes
    assert blank[1] == [False, True, True, True, False]
    assert headings(fig, 4) == [
        "2 raters: IoU with one another 0.25",
        "U-Net: always the same, IoU with the nearest rater 1.00",
        "ensemble: IoU with one another 0.25, with the nearest rater 1.00",
    ]


def test_no_more_samples_or_readings_are_shown_than_there_are_columns():
    fig = show_samples({"a": drawn(CASE, SMALL, LARGE, APART)}, TASK, columns=1)
    assert [[outlined(ax) for ax in row] for row in rows(fig, 1)] == [[True, False], [True, False]]
    assert "IoU with one another 0.08" in headings(fig, 1)[1]  # of all three


def test_each_panel_outlines_its_own_sample():
    fig = show_samples({"a": drawn(CASE, SMALL, LARGE)}, TASK, columns=2)
    place = disagreement_window(CASE, [SMALL])
    for ax, label in zip(rows(fig, 2)[1], (SMALL, LARGE), strict=False):
        (path,) = ax.collections[0].get_paths()
        edge = np.flatnonzero(place.of(label.numpy()).any(axis=0))
        moved = path.vertices - 1  # the mask is padded
        assert moved.min() == edge[0] - 0.5
        assert moved.max() == edge[-1] + 0.5


def test_the_last_column_is_the_votes_and_the_mean():
    fig = show_samples({"a": drawn(CASE, SMALL, LARGE, LARGE, p=1.0)}, TASK, columns=3)
    place = disagreement_window(CASE, [LARGE])
    votes, mean = (np.asarray(row[-1].images[1].get_array()) for row in rows(fig, 3))
    np.testing.assert_allclose(votes, place.of((SMALL + LARGE).numpy() / 2))
    np.testing.assert_allclose(mean, place.of((SMALL + 2 * LARGE).numpy() / 3), rtol=1e-6)
    assert [row[-1].images[1].get_clim() for row in rows(fig, 3)] == [(0, 1), (0, 1)]
    assert [row[-1].get_title("right") for row in rows(fig, 3)] == ["votes", "mean"]


def test_where_the_truth_is_known_it_stands_in_place_of_the_votes():
    known = sure(LARGE, p=0.7)
    case = flat_case([SMALL, LARGE], distribution=known)
    fig = show_samples({"a": drawn(case, SMALL)}, TASK, columns=3)
    shown = rows(fig, 3)[0, -1]
    assert shown.get_title("right") == "truth"
    place = disagreement_window(case, [SMALL])
    np.testing.assert_allclose(shown.images[1].get_array(), place.of(known[1].numpy()))
    assert shown.images[1].get_clim() == (0, 1)


def volume() -> Case:
    """Class 2 is the rarer one; the raters differ on slice 1."""
    reading = torch.zeros(30, 24, 3, dtype=torch.uint8)
    reading[5:15, 5:15], reading[18:22, 10:13] = 1, 2
    other = reading.clone()
    other[5:9, 5:15, 1] = 0
    return Case("v", "v", torch.rand(1, 30, 24, 3), torch.stack([reading, other]), (1.0, 1.0, 2.0))


def test_several_classes_are_painted_upright_in_the_colours_of_the_legend():
    case = volume()
    fig = show_samples({"a": drawn(case, *case.labels, n_classes=3)}, MANY, columns=2)
    (sample, _, _) = rows(fig, 2)[1]
    _, first, second = (np.asarray(image.get_array()) for image in sample.images)
    label = np.rot90(disagreement_window(case, [case.label]).of(case.label.numpy()))
    for pixels, k in ((first, 1), (second, 2)):
        np.testing.assert_array_equal(pixels[..., 3] == 1, label == k)
        np.testing.assert_allclose(pixels[0, 0, :3], to_rgb(CONTOURS[k - 1][0]))
    legend = fig.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"]
    assert [to_rgb(patch.get_facecolor()[:3]) for patch in legend.get_patches()] == [
        to_rgb(CONTOURS[k][0]) for k in (0, 1)
    ]


def test_the_class_whose_probability_is_shown_is_the_rarest_of_those_marked():
    case = volume()
    fig = show_samples({"a": drawn(case, case.label, n_classes=3)}, MANY, columns=2)
    assert fig.axes[-1].get_ylabel() == "probability of b"
    rarer = Task(1, ("background", "a", "b", "nowhere"), 3)
    fig = show_samples({"a": drawn(case, case.label, n_classes=4)}, rarer, columns=2)
    assert fig.axes[-1].get_ylabel() == "probability of b"
    place = disagreement_window(case, [case.label])
    votes, mean = (np.asarray(row[-1].images[1].get_array()) for row in rows(fig, 2))
    np.testing.assert_array_equal(votes, np.rot90(place.of(case.label.numpy() == 2)))
    expected = np.rot90(place.of(np.where(case.label.numpy() == 2, 0.9, 0.1 / 3)))
    np.testing.assert_allclose(mean, expected, rtol=1e-5)


def test_the_description_says_what_the_headings_say():
    fig = show_samples({"net": drawn(CASE, SMALL, LARGE)}, TASK)
    assert fig.get_label() == (
        "Case one: what 2 raters marked, and below it samples of each method, with the mean probability of "
        "nodule at the right. 2 raters: IoU with one another 0.25. Net: IoU with one another 0.25, with the "
        "nearest rater 1.00."
    )


def test_a_photograph_is_shown_in_colour():
    case = Case("p", "p", torch.rand(3, 40, 40), torch.stack([SMALL, LARGE]), None)
    fig = show_samples({"a": drawn(case, SMALL)}, TASK, columns=3)
    assert rows(fig, 3)[0, 0].images[0].get_array().shape[-1] == 3


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("columns", [1, 6])
def test_no_words_are_cut_off_or_cover_each_other(columns):
    readings = [square(5 + i, 15 + i) for i in range(4)]
    case = flat_case(readings)
    names = ["U-Net", "heteroscedastic noise with a very long name", "test-time augmentation"]
    methods = {name: drawn(case, *readings, SMALL) for name in names}
    assert_legible(show_samples(methods, TASK, columns=columns))


@pytest.mark.filterwarnings("error")
def test_a_tall_volume_with_four_classes_is_legible():
    case, task = volume(), Task(1, ("background", "CSF", "grey matter", "white matter"), 3)
    names = ["U-Net", "deep ensemble", "Probabilistic U-Net", "PHiSeg", "multiple hypotheses"]
    assert_legible(show_samples({n: drawn(case, *case.labels, n_classes=4) for n in names}, task))


def test_wrong_requests_are_refused():
    with pytest.raises(ValueError, match="columns: expected 1 or more, got 0"):
        show_samples({"a": drawn(CASE, SMALL)}, TASK, columns=0)
    with pytest.raises(ValueError, match=r"cases: expected one and the same .* got none"):
        show_samples({}, TASK)
