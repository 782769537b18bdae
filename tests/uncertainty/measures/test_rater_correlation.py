import numpy as np
import pytest
import torch
from measure_toys import labels, probabilities
from scipy.stats import pearsonr

from medseg_lab.uncertainty.measures.rater_correlation import label_variance, rater_correlation
from medseg_lab.uncertainty.measures.shares import shares


def binary(*foreground):
    """Samples `(n, 2, V)` from probabilities of the foreground."""
    maps = torch.tensor(foreground)
    return torch.stack([1 - maps, maps], dim=1)


def test_the_variance_by_hand():
    # certain; 1/2 and 1/2; thirds: 1 - 3/9
    p = torch.tensor([[1.0, 0.5, 1 / 3], [0, 0.5, 1 / 3], [0, 0, 1 / 3]])
    assert label_variance(p).tolist() == pytest.approx([0, 0.5, 2 / 3])


def test_the_variance_is_that_of_one_hot_labels():
    readings = labels(7, (5, 6), 3)
    one_hot = np.eye(3)[readings.numpy()]  # (R, *S, K)
    expected = torch.from_numpy(one_hot.var(axis=0).sum(axis=-1)).float()
    torch.testing.assert_close(label_variance(shares(readings, 3)), expected)


def test_the_correlation_by_hand():
    # Variances: predicted 0, 1/2, 0, 1/2; among the raters 0, 0, 0, 1/2.
    # Centred, in quarters and in eighths: -1, 1, -1, 1 and -1, -1, -1, 3.
    samples = binary([0.0, 0.5, 1.0, 1.0], [0.0, 0.5, 1.0, 0.0])
    readings = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 0]])
    assert rater_correlation(samples, readings).item() == pytest.approx(4 / (4 * 12) ** 0.5)


def test_it_is_that_of_scipy():
    samples, readings = probabilities((6, 4, 9, 8), axis=1), labels(4, (9, 8), 4)
    mean = samples.double().mean(dim=0).numpy()
    among = np.eye(4)[readings.numpy()].mean(axis=0)
    expected = pearsonr((1 - (mean**2).sum(0)).ravel(), (1 - (among**2).sum(-1)).ravel()).statistic
    assert rater_correlation(samples, readings).item() == pytest.approx(expected, abs=1e-5)


def test_a_million_voxels_round_as_little_as_a_few():
    samples, readings = probabilities((1, 2, 1_000_000), axis=1), labels(3, (1_000_000,), 2)
    maps = (samples[0], shares(readings, 2))
    expected = pearsonr(*(label_variance(each.double()).numpy() for each in maps)).statistic
    assert rater_correlation(samples, readings).item() == pytest.approx(expected, rel=1e-6)


def test_the_raters_own_distribution_is_perfect():
    readings = labels(4, (8, 8), 3)
    assert rater_correlation(shares(readings, 3)[None], readings).item() == pytest.approx(1)


def test_doubt_where_the_raters_agree_and_only_there_is_the_worst():
    readings = torch.tensor([[0, 1, 0, 1], [0, 1, 1, 0]])
    assert rater_correlation(binary([0.5, 0.5, 0.0, 1.0]), readings).item() == pytest.approx(-1)


def test_the_scale_of_the_doubt_drops_out():
    readings = torch.tensor([[0, 1, 0, 1, 0], [0, 1, 1, 0, 0]])
    # p (1 - p) is .25 where the raters differ, or .09
    wide, narrow = (binary([0.0, 1.0, p, p, 0.0]) for p in (0.5, 0.1))
    assert rater_correlation(wide, readings).item() == pytest.approx(1)
    assert rater_correlation(narrow, readings).item() == pytest.approx(1)


@pytest.mark.parametrize(
    ("foreground", "readings", "expected"),
    [
        ([0.0, 1.0, 0.0], [[0, 0, 0], [0, 0, 0]], 1),  # nobody doubts, though the labels differ
        ([0.0, 1.0, 0.0], [[0, 1, 0], [0, 0, 0]], 0),  # the raters do
        ([0.0, 0.5, 0.0], [[0, 1, 0], [0, 1, 0]], 0),  # the prediction does
        ([0.3, 0.3, 0.3], [[0, 1, 0], [0, 1, 0]], 0),  # the prediction does, everywhere alike
        ([0.5, 0.5, 0.5], [[0, 1, 0], [1, 0, 1]], 0),  # both do, everywhere alike
        ([1e-8, 3e-8, 0.0], [[0, 1, 0], [0, 1, 0]], 1),  # what rounding leaves is no doubt
        ([0.3, 0.3, 0.3 + 1e-7], [[0, 1, 0], [0, 0, 0]], 0),  # nor is it a pattern
    ],
)
def test_maps_without_a_pattern_have_defined_values(foreground, readings, expected):
    assert rater_correlation(binary(foreground), torch.tensor(readings)).item() == expected


def test_it_does_not_depend_on_the_order_of_voxels_samples_or_raters():
    samples, readings, voxels = probabilities((5, 3, 40), axis=1), labels(4, (40,), 3), torch.randperm(40)
    found = rater_correlation(samples, readings)
    torch.testing.assert_close(rater_correlation(samples[..., voxels], readings[:, voxels]), found)
    torch.testing.assert_close(rater_correlation(samples.flip(0), readings.flip(0)), found)


def test_what_is_wrong_with_the_arguments_is_said():
    samples = binary([0.1, 0.2])
    with pytest.raises(
        ValueError, match=r"samples: got spatial shape \(2,\), wanted that of the readings, \(3,\)"
    ):
        rater_correlation(samples, torch.zeros(2, 3, dtype=torch.uint8))
    with pytest.raises(ValueError, match="readings: got classes 0 to 2, wanted 0 to 1"):
        rater_correlation(samples, torch.tensor([[0, 2]]))
