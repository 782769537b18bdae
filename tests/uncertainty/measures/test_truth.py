"""Estimated entropies against the true one, by hand and by SciPy and torch.distributions."""

from math import log

import pytest
import torch
from scipy import stats
from torch.distributions import Categorical, kl_divergence

from medseg_lab.uncertainty.measures.calibration import FLOOR
from medseg_lab.uncertainty.measures.truth import against_truth, entropy_against


def maps(*shape: int, seed: int = 0) -> torch.Tensor:
    """Random probabilities `(..., K, V)`."""
    torch.manual_seed(seed)
    return torch.randn(*shape).mul(2).softmax(dim=-2)


def test_the_true_distribution_has_no_error():
    true = maps(4, 50)
    assert against_truth(true.expand(3, 4, 50), true) == pytest.approx((1, 0, 0, 0), abs=1e-6)


def test_two_voxels_by_hand():
    # p* is (1/2, 1/2) and (1, 0); the mean of the samples is (3/4, 1/4) at both.
    true = torch.tensor([[0.5, 1.0], [0.5, 0.0]])
    samples = torch.tensor([[[1.0, 0.5], [0.0, 0.5]], [[0.5, 1.0], [0.5, 0.0]]])
    found = against_truth(samples, true)
    said = 0.75 * log(4 / 3) + 0.25 * log(4)
    assert found.mean_absolute_error == pytest.approx(((log(2) - said) + said) / 2)
    assert found.bias == pytest.approx((2 * said - log(2)) / 2)
    assert found.correlation == 0  # the estimate is the same at both
    divergences = 0.5 * log(0.5 / 0.75) + 0.5 * log(0.5 / 0.25), log(1 / 0.75)
    assert found.divergence == pytest.approx(sum(divergences) / 2)


def test_it_is_the_entropy_of_the_mean_not_the_mean_entropy():
    split = torch.tensor([[[1.0], [0.0]], [[0.0], [1.0]]])  # two certain samples of different classes
    assert against_truth(split, torch.full((2, 1), 0.5)).bias == pytest.approx(0)
    assert against_truth(split, torch.tensor([[1.0], [0.0]])).bias == pytest.approx(log(2))


def test_random_maps_against_scipy_and_torch():
    samples, true = maps(5, 3, 200), maps(3, 200, seed=1)
    mean = samples.double().mean(dim=0)
    found = against_truth(samples, true)
    said, known = (stats.entropy(p.numpy(), axis=0) for p in (mean, true.double()))
    assert found.correlation == pytest.approx(stats.pearsonr(said, known).statistic, abs=1e-5)
    assert found.mean_absolute_error == pytest.approx(abs(said - known).mean(), abs=1e-5)
    assert found.bias == pytest.approx((said - known).mean(), abs=1e-5)
    expected = kl_divergence(Categorical(true.double().T), Categorical(mean.T)).mean()
    assert found.divergence == pytest.approx(float(expected), abs=1e-5)

    volumes = against_truth(samples.reshape(5, 3, 4, 5, 10), true.reshape(3, 4, 5, 10))
    assert volumes == pytest.approx(found)


def test_the_divergence_is_finite_for_a_predicted_probability_of_0():
    sure = torch.tensor([[[1.0], [0.0]]])
    assert against_truth(sure, torch.tensor([[0.0], [1.0]])).divergence == pytest.approx(-log(FLOOR))


def test_an_overconfident_estimate_has_negative_bias_even_where_it_correlates():
    true = torch.linspace(0, 0.6, 20)
    found = entropy_against(true / 2, true)
    assert found.correlation == pytest.approx(1)
    assert found.bias == pytest.approx(-0.15)
    assert found.mean_absolute_error == pytest.approx(0.15)
    assert entropy_against(0.6 - true, true).correlation == pytest.approx(-1)


@pytest.mark.parametrize("constant", [0.0, 1 / 3])
def test_a_constant_map_has_correlation_0(constant):
    level, other = torch.full((7,), constant), torch.rand(7)
    assert entropy_against(level, other).correlation == 0
    assert entropy_against(other, level).correlation == 0
    assert entropy_against(level, level).correlation == 0


def test_other_shapes_are_refused():
    with pytest.raises(
        ValueError, match=r"samples: expected shape \(n, 3, 4\) of the distribution, got \(2, 3, 5\)"
    ):
        against_truth(torch.ones(2, 3, 5), torch.ones(3, 4))
    with pytest.raises(ValueError, match=r"samples: expected shape .* got \(3, 4\)"):
        against_truth(torch.ones(3, 4), torch.ones(3, 4))
