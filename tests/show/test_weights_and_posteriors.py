"""Figures of chapter 4.1.2: a network with one weight, and the weights of trained ones."""

import numpy as np
import pytest
import torch
from legible import assert_legible
from scipy.special import expit

from medseg_lab.networks.unet import UNet
from medseg_lab.show import one_weight as one
from medseg_lab.show.weight_distributions import first_kernel, weight_distributions
from medseg_lab.uncertainty.bayes_conv import BayesConv


def test_the_most_likely_weight_gives_the_share_of_foreground_that_is_there() -> None:
    """Four pixels of intensity 1, three of them foreground: the odds are 3 to 1, so w is log 3."""
    likely = one.log_likelihood(np.ones(4), np.array([1.0, 1.0, 1.0, 0.0]))
    assert one.most_likely(likely) == pytest.approx(np.log(3), abs=0.01)


def test_without_data_the_posterior_is_the_prior_and_the_prediction_is_even() -> None:
    nothing = one.log_likelihood(np.zeros(0), np.zeros(0))
    found = one.posterior(nothing, one.log_prior())
    assert found.sum() == pytest.approx(1)
    assert found == pytest.approx(one.gaussian(0, one.PRIOR_STD))
    assert one.expected(found, np.array([0.0])) == pytest.approx(0.5)


def test_a_posterior_weighs_two_weights_by_likelihood_times_prior() -> None:
    x, y = np.array([1.0]), np.array([1.0])
    found = one.posterior(one.log_likelihood(x, y), one.log_prior())
    a, b = (int(np.argmin(abs(one.WEIGHTS - w))) for w in (0.0, 3.0))
    expected = expit(3.0) / expit(0.0) * np.exp(-0.5 * (3.0 / one.PRIOR_STD) ** 2)
    assert found[b] / found[a] == pytest.approx(expected, rel=1e-6)


def test_the_closest_gaussian_of_a_gaussian_is_that_gaussian() -> None:
    assert one.closest(one.gaussian(1.2, 0.7)) == pytest.approx((1.2, 0.7), abs=1e-3)


def test_more_data_narrow_the_posterior_and_with_few_the_mean_prediction_is_more_cautious() -> None:
    """Three pixels that any large weight explains: the most likely one has no bound but that of the table."""
    stds, bold, cautious = [], [], []
    for pixels in (3, 30, 300):
        x, y = one.drawn(pixels)
        likely = one.log_likelihood(x, y)
        known = one.posterior(likely, one.log_prior())
        stds.append(one.closest(known)[1])
        bold.append(expit(one.most_likely(likely)))
        cautious.append(one.expected(known, np.ones(1))[0])
    assert stds == sorted(stds, reverse=True)
    assert bold[0] > 0.99 > 0.9 > cautious[0]
    assert abs(bold[-1] - cautious[-1]) < 0.01
    assert one.most_likely(likely) == pytest.approx(one.TRUE, abs=0.4)


@pytest.mark.parametrize("pixels", [1, 3, 300])
def test_the_figure_of_one_weight_is_legible(pixels: int) -> None:
    fig = one.one_weight(pixels)
    assert_legible(fig)
    assert f"After {pixels} labelled pixels" in fig.get_label()


@pytest.mark.parametrize("pixels", [0, 1001])
def test_a_number_of_pixels_that_is_not_drawn_is_refused(pixels: int) -> None:
    with pytest.raises(ValueError, match=f"pixels: expected 1 to 1000, got {pixels}"):
        one.one_weight(pixels)


def test_weights_are_numbers_or_gaussians() -> None:
    network = UNet(1, 2)
    plain = next(m for m in network.modules() if isinstance(m, torch.nn.Conv2d))
    numbers, none = first_kernel(network)
    assert numbers.tolist() == plain.weight[0, 0].flatten().tolist()
    assert not none.any()
    bayesian = torch.nn.Sequential(BayesConv(plain, initial_std=0.05))
    means, stds = first_kernel(bayesian)
    assert means.tolist() == numbers.tolist()
    assert stds == pytest.approx(0.05)
    fig = weight_distributions({"U-Net": network, "Bayesian": bayesian})
    assert_legible(fig)
    assert "Bayesian, standard deviations from 0.050 to 0.050" in fig.get_label()
    assert [len(ax.collections) for ax in fig.axes] == [0, 9]


def test_what_has_no_convolution_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one with a convolution, got Linear"):
        first_kernel(torch.nn.Linear(2, 2))
