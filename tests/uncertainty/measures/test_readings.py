import numpy as np
import pytest
import torch
from measure_toys import labels, probabilities
from scipy.stats import pearsonr

from medseg_lab.uncertainty.measures.readings import (
    check_labels,
    label_variance,
    map_correlation,
    rater_correlation,
    shares,
    spread_correlation,
)


def binary(*foreground):
    """Samples `(n, 2, V)` from probabilities of the foreground."""
    maps = torch.tensor(foreground)
    return torch.stack([1 - maps, maps], dim=1)


def test_the_shares_by_hand():
    readings = torch.tensor([[0, 1, 2], [0, 1, 1], [0, 0, 2], [0, 1, 0]], dtype=torch.uint8)
    expected = torch.tensor([[1, 0.25, 0.25], [0, 0.75, 0.25], [0, 0, 0.5]])
    torch.testing.assert_close(shares(readings, 3), expected, rtol=0, atol=0)
    found = shares(labels(5, (4, 6, 3), 4), 4)
    torch.testing.assert_close(found.sum(dim=0), torch.ones(4, 6, 3))


@pytest.mark.parametrize(
    ("values", "seen"),
    [([[0, 1], [0, 255]], "0 to 255"), ([[0, 1], [0, 2]], "0 to 2"), ([[0, 1], [0, -1]], "-1 to 1")],
)
def test_other_classes_and_voxels_without_annotation_are_refused(values, seen):
    with pytest.raises(ValueError, match=f"samples: expected classes 0 to 1, got {seen}"):
        check_labels("samples", torch.tensor(values), 2)


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (4,)])
def test_readings_without_raters_or_voxels_are_refused(shape):
    with pytest.raises(ValueError, match=r"readings: expected a non-empty shape \(R, \*S\), got \("):
        shares(torch.zeros(shape, dtype=torch.uint8), 2)


def test_other_spatial_shapes_are_refused():
    check_labels("readings", torch.zeros(7, 4, 5), 1, (4, 5))
    with pytest.raises(ValueError, match=r"readings: expected spatial shape \(4, 5\), got \(20,\)"):
        check_labels("readings", torch.zeros(7, 20), 1, (4, 5))


def test_the_variance_is_that_of_one_hot_labels():
    # certain; 1/2 and 1/2; thirds: 1 - 3/9
    p = torch.tensor([[1.0, 0.5, 1 / 3], [0, 0.5, 1 / 3], [0, 0, 1 / 3]])
    assert label_variance(p).tolist() == pytest.approx([0, 0.5, 2 / 3])
    readings = labels(7, (5, 6), 3)
    expected = torch.from_numpy(np.eye(3)[readings.numpy()].var(axis=0).sum(axis=-1)).float()
    torch.testing.assert_close(label_variance(shares(readings, 3)), expected)


def test_the_correlation_by_hand():
    # Variances: predicted 0, 1/2, 0, 1/2; among the raters 0, 0, 0, 1/2.
    # Centred, in quarters and in eighths: -1, 1, -1, 1 and -1, -1, -1, 3.
    samples = binary([0.0, 0.5, 1.0, 1.0], [0.0, 0.5, 1.0, 0.0])
    readings = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 0]])
    assert rater_correlation(samples, readings).item() == pytest.approx(4 / (4 * 12) ** 0.5)


def test_the_correlation_is_that_of_scipy():
    samples, readings = probabilities((6, 4, 9, 8), axis=1), labels(4, (9, 8), 4)
    mean = samples.double().mean(dim=0).numpy()
    among = np.eye(4)[readings.numpy()].mean(axis=0)
    expected = pearsonr((1 - (mean**2).sum(0)).ravel(), (1 - (among**2).sum(-1)).ravel()).statistic
    assert rater_correlation(samples, readings).item() == pytest.approx(expected, abs=1e-5)


def test_a_million_voxels_are_as_exact_as_a_few():
    samples, readings = probabilities((1, 2, 1_000_000), axis=1), labels(3, (1_000_000,), 2)
    maps = (samples[0], shares(readings, 2))
    expected = pearsonr(*(label_variance(each.double()).numpy() for each in maps)).statistic
    assert rater_correlation(samples, readings).item() == pytest.approx(expected, rel=1e-6)


def test_the_correlation_depends_on_where_the_prediction_is_uncertain_not_on_how_much():
    readings = torch.tensor([[0, 1, 0, 1, 0], [0, 1, 1, 0, 0]])
    # p (1 - p) is .25 where the raters differ, or .09
    for p in (0.5, 0.1):
        assert rater_correlation(binary([0.0, 1.0, p, p, 0.0]), readings).item() == pytest.approx(1)
    opposite = binary([0.5, 0.5, 0.0, 1.0, 0.5])
    assert rater_correlation(opposite, readings).item() == pytest.approx(-1)
    several = labels(4, (8, 8), 3)
    assert rater_correlation(shares(several, 3)[None], several).item() == pytest.approx(1)


@pytest.mark.parametrize(
    ("foreground", "readings", "expected"),
    [
        ([0.0, 1.0, 0.0], [[0, 0, 0], [0, 0, 0]], 1),  # both certain, though the labels differ
        ([0.0, 1.0, 0.0], [[0, 1, 0], [0, 0, 0]], 0),  # the raters disagree
        ([0.0, 0.5, 0.0], [[0, 1, 0], [0, 1, 0]], 0),  # the prediction is uncertain
        ([0.3, 0.3, 0.3], [[0, 1, 0], [0, 1, 0]], 0),  # the prediction is uncertain everywhere
        ([0.5, 0.5, 0.5], [[0, 1, 0], [1, 0, 1]], 0),  # both are uncertain everywhere
        ([1e-8, 3e-8, 0.0], [[0, 1, 0], [0, 1, 0]], 1),  # rounding errors are no uncertainty
        ([0.3, 0.3, 0.3 + 1e-7], [[0, 1, 0], [0, 0, 0]], 0),  # nor a pattern
    ],
)
def test_constant_maps_have_defined_values(foreground, readings, expected):
    assert rater_correlation(binary(foreground), torch.tensor(readings)).item() == expected


def test_the_correlation_does_not_depend_on_the_order_of_voxels_samples_or_raters():
    samples, readings, voxels = probabilities((5, 3, 40), axis=1), labels(4, (40,), 3), torch.randperm(40)
    found = rater_correlation(samples, readings)
    mixed = rater_correlation(samples[..., voxels].flip(0), readings[:, voxels].flip(0))
    torch.testing.assert_close(mixed, found)


def test_wrong_arguments_of_the_correlation_are_named():
    samples = binary([0.1, 0.2])
    with pytest.raises(ValueError, match=r"readings: expected spatial shape \(2,\), got \(3,\)"):
        rater_correlation(samples, torch.zeros(2, 3, dtype=torch.uint8))
    with pytest.raises(ValueError, match="readings: expected classes 0 to 1, got 0 to 2"):
        rater_correlation(samples, torch.tensor([[0, 2]]))


def test_the_correlation_of_the_spread_by_hand():
    """Samples differ on the third voxel alone, as raters do; on the second each is unsure."""
    samples = binary([0.0, 0.5, 0.3, 1.0], [0.0, 0.5, 0.7, 1.0])
    readings = torch.tensor([[0, 0, 0, 1], [0, 0, 1, 1]])
    between = samples.var(dim=0, correction=0).sum(dim=0)
    assert between.tolist() == pytest.approx([0, 0, 2 * 0.04, 0])
    within = label_variance(samples.movedim(1, 0)).mean(dim=0)
    # what the docstring says
    torch.testing.assert_close(between, label_variance(samples.mean(dim=0)) - within)
    assert spread_correlation(samples, readings).item() == pytest.approx(1)
    # variances 0, 1/2, 1/2, 0 and 0, 0, 1/2, 0
    # centred, in quarters and in eighths: -1, 1, 1, -1 and -1, -1, 3, -1
    assert rater_correlation(samples, readings).item() == pytest.approx(4 / (4 * 12) ** 0.5)
    elsewhere = binary([0.3, 0.5, 0.5, 1.0], [0.7, 0.5, 0.5, 1.0])
    # centred: 3, -1, -1, -1 and -1, -1, 3, -1, twelve squared each
    assert spread_correlation(elsewhere, readings).item() == pytest.approx(-4 / 12)


def test_one_who_does_not_vary_finds_no_place_where_raters_differ():
    readings = torch.tensor([[0, 1, 1], [0, 0, 1]])
    assert spread_correlation(binary([0.1, 0.5, 0.9]).repeat(4, 1, 1), readings) == 0
    agreed = torch.tensor([[0, 1, 1]])
    assert spread_correlation(binary([0.1, 0.5, 0.9], [0.1, 0.4, 0.9]), agreed) == 0


def test_the_correlation_of_a_map_by_hand():
    # centred: -1, 0, 1 and -1, 1, 0
    assert map_correlation(torch.tensor([1.0, 2, 3]), torch.tensor([0, 0.5, 0.25])).item() == pytest.approx(
        1 / 2
    )
    noise = torch.full((4,), 19.0) + torch.tensor([0, 2e-6, 0, -2e-6])  # rounding errors of windows
    assert map_correlation(noise, torch.tensor([0, 0.5, 0, 0])) == 0
