"""Estimates against the truth: binned means, the numbers beside them, and maps of one slice."""

from math import log

import numpy as np
import pytest
import torch

from medseg_lab.data.case import Case
from medseg_lab.data.task import Task
from medseg_lab.evaluation.sampling import Drawn
from medseg_lab.show.estimated_entropy import binned, show_estimated_entropy
from tests.show.legible import assert_legible

TASK = Task(1, ("background", "lesion"), 2)
SEVEN = (
    *("U-Net", "deep ensemble", "MC dropout", "multiple hypotheses", "Probabilistic U-Net", "PHiSeg"),
    "Supervised(network=UNet(dropout=0.5), spatial_dims=2)",
)


def case(shape=(24, 30), name="c") -> Case:
    """The lesion's probability rises from 0 at the left to 1/2 at the right."""
    known = torch.linspace(0, 0.5, shape[1]).reshape(1, -1, *[1] * (len(shape) - 2)).expand(shape)
    labels = torch.zeros(2, *shape, dtype=torch.uint8)
    labels[0, 6:18, 8:24] = 1
    torch.manual_seed(0)
    image = torch.rand(1, *shape)
    return Case(name, name, image, labels, (1.0, 1.0, 4.0)[: len(shape)], torch.stack([1 - known, known]))


def knows(of: Case) -> Drawn:
    """Every sample is p*."""
    assert of.distribution is not None
    return Drawn(of, of.distribution.expand(4, *of.distribution.shape))


def sure(of: Case) -> Drawn:
    """All samples are the background for sure."""
    samples = torch.zeros(4, 2, *of.labels.shape[1:])
    samples[:, 0] = 1
    return Drawn(of, samples)


def split(of: Case) -> Drawn:
    """Sure samples that contradict each other: ln 2 in total, nothing expected."""
    samples = torch.zeros(2, 2, *of.labels.shape[1:])
    samples[0, 0] = samples[1, 1] = 1
    return Drawn(of, samples)


def noisy(of: Case, by: float) -> Drawn:
    torch.manual_seed(1)
    assert of.distribution is not None
    logits = of.distribution.clamp(min=0.01).log()
    return Drawn(of, (logits + by * torch.randn(5, *logits.shape)).softmax(dim=1))


def lines(fig) -> list[list[np.ndarray]]:
    """The points of each method in the panels of total and of expected entropy; the diagonal is last."""
    return [[line.get_xydata() for line in ax.lines] for ax in fig.axes[:2]]


def texts(legend) -> list[str]:
    return [text.get_text() for text in legend.get_texts()]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("names", "shape"), [(SEVEN[:1], (24, 30)), (SEVEN[:3], (24, 30, 3)), (SEVEN, (24, 30))]
)
def test_no_words_are_cut_off_or_cover_each_other(names, shape):
    drawn = {name: [noisy(case(shape), 0.1 + 0.3 * i)] for i, name in enumerate(names)}
    assert_legible(show_estimated_entropy(drawn, TASK))


def test_one_who_knows_the_truth_is_on_the_diagonal():
    total, expected = lines(show_estimated_entropy({"knows": [knows(case())]}, TASK))
    for points, diagonal in (total, expected):
        assert len(points) > 5
        np.testing.assert_allclose(points[:, 0], points[:, 1], atol=1e-6)
        np.testing.assert_allclose(diagonal, [[0, 0], [points[-1, 0]] * 2])


def test_total_and_expected_have_a_panel_each():
    fig = show_estimated_entropy({"split": [split(case())], "sure": [sure(case())]}, TASK)
    (total, none, _), (expected, _, _) = lines(fig)
    np.testing.assert_allclose(total[:, 1], log(2), rtol=1e-5)
    np.testing.assert_allclose(none[:, 1], 0, atol=1e-6)
    np.testing.assert_allclose(expected[:, 1], 0, atol=1e-6)
    assert [ax.get_ylabel() for ax in fig.axes[:2]] == ["total entropy (nats)", "expected entropy (nats)"]
    assert fig.axes[0].get_xlabel() == "true entropy of p* (nats)"


def test_correlation_and_error_stand_in_the_legend():
    fig = show_estimated_entropy({"knows": [knows(case())], "sure": [sure(case())]}, TASK)
    known = case().distribution
    assert known is not None
    truth = float(-(known.double().xlogy(known.double())).sum(dim=0).mean())  # all voxels are near a mark
    assert texts(fig.axes[0].get_legend()) == ["knows: 1.00, 0.000", f"sure: 0.00, {truth:.3f}"]


def test_given_the_estimate_the_truth_goes_up():
    drawn = {"sure": [sure(case())], "noisy": [noisy(case(), 1)]}
    fig = show_estimated_entropy(drawn, TASK, given="estimate")
    known = case().distribution
    assert known is not None
    sure_points, noisy_points, _ = lines(fig)[0]
    assert sure_points[0].tolist() == pytest.approx([0, -float((known.xlogy(known)).sum(dim=0).mean())])
    assert fig.axes[0].get_xlabel() == "total entropy (nats)"
    assert fig.axes[0].get_ylabel() == "true entropy of p* (nats)"
    other = lines(show_estimated_entropy(drawn, TASK))[0][1]
    assert noisy_points.shape != other.shape or not np.allclose(noisy_points, other)


def test_all_cases_are_pooled():
    one, two = case(), case(name="d")
    fig = show_estimated_entropy({"half": [knows(one), sure(two)]}, TASK)
    points = lines(fig)[0][0]
    np.testing.assert_allclose(points[:, 1], points[:, 0] / 2, atol=1e-6)


def test_bins_have_equal_width_and_enough_voxels():
    x = np.array([0.0, 0.1, 0.2, 0.9, 1.0, 0.55])
    y = np.array([0.0, 1.0, 2.0, 5.0, 7.0, 9.0])
    found = binned(x, y, bins=2, least=3)
    np.testing.assert_allclose(found, [[0.1, 2.45 / 3], [1, 7], [0.5, 6], [1.5, 8]])
    assert binned(x, y, bins=3, least=2).shape == (4, 2)
    assert binned(x, y, least=7).shape == (4, 0)
    np.testing.assert_allclose(binned(np.zeros(3), y[:3], least=1)[:, 0], [0, 1, 0.5, 1.5])


def test_bands_are_half_of_the_voxels():
    drawn = [noisy(case(), 1.5)]
    ax = show_estimated_entropy({"noisy": drawn}, TASK).axes[0]
    band = ax.collections[0].get_paths()[0].vertices
    (points, _), _ = lines(show_estimated_entropy({"noisy": drawn}, TASK))
    for x, y in points:
        low, high = band[np.isclose(band[:, 0], x)][:, 1].min(), band[np.isclose(band[:, 0], x)][:, 1].max()
        assert low < y < high


def maps(fig) -> list[np.ndarray]:
    """The pictures from left to right and top to bottom; colour bars have none."""
    return [np.asarray(ax.images[0].get_array()) for ax in fig.axes[2:] if ax.images]


@pytest.mark.parametrize(("mapped", "level"), [("total", log(2)), ("expected", 0.0)])
def test_maps_are_the_truth_the_estimate_the_image_and_the_difference(mapped, level):
    fig = show_estimated_entropy({"split": [split(case())]}, TASK, mapped=mapped)
    true, estimate, image, difference = maps(fig)
    np.testing.assert_allclose(estimate, level, atol=1e-6)
    np.testing.assert_allclose(difference, estimate - true, atol=1e-6)
    known = case().distribution
    assert known is not None
    whole = -(known.xlogy(known)).sum(dim=0).numpy()
    assert any(np.allclose(true[0], whole[0, j : j + true.shape[1]]) for j in range(30 - true.shape[1] + 1))
    assert image.shape == true.shape
    assert not np.allclose(image, true)


def test_one_scale_for_all_maps_and_one_around_zero_for_all_differences():
    fig = show_estimated_entropy({"split": [split(case())], "sure": [sure(case())]}, TASK)
    shown = [ax.images[0].get_clim() for ax in fig.axes[2:] if ax.images]
    assert shown[:3] == [pytest.approx((0, log(2)))] * 3
    assert shown[4] == shown[5]
    most = float(max(np.abs(found).max() for found in maps(fig)[4:]))
    assert shown[4] == pytest.approx((-most, most))
    assert most > 0.6  # where the truth is nearly 0, and where it is nearly ln 2


def test_maps_go_on_below_after_four():
    fig = show_estimated_entropy({name: [noisy(case(), 1)] for name in SEVEN}, TASK)
    assert len(maps(fig)) == 2 * (1 + 4) + 2 * (1 + 3)


def test_it_is_said_in_words():
    known = case().distribution
    assert known is not None
    truth = float(-(known.double().xlogy(known.double())).sum(dim=0).mean())
    off = f"correlation 0.00, mean absolute error {truth:.3f} nats, bias −{truth:.3f}"
    assert show_estimated_entropy({"sure": [sure(case())]}, TASK, mapped="expected").get_label() == (
        f"Estimated against true entropy of 720 voxels, whose true mean is {truth:.3f} nats. "
        f"sure: total {off}; expected {off}. "
        "Maps of expected entropy and of its difference from the truth: a slice of c."
    )


def test_what_cannot_be_compared_is_refused():
    fine = [knows(case())]
    with pytest.raises(ValueError, match="drawn: expected one method or more, got none"):
        show_estimated_entropy({}, TASK)
    with pytest.raises(ValueError, match="cases: expected at least one, got none"):
        show_estimated_entropy({"a": []}, TASK)
    with pytest.raises(ValueError, match="drawn: expected the same cases"):
        show_estimated_entropy({"a": fine, "b": [knows(case(name="d"))]}, TASK)
    with pytest.raises(ValueError, match="given: expected one of truth, estimate, got 'guess'"):
        show_estimated_entropy({"a": fine}, TASK, given="guess")
    with pytest.raises(ValueError, match="mapped: expected one of total, expected, got 'mutual'"):
        show_estimated_entropy({"a": fine}, TASK, mapped="mutual")
