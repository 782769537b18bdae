from math import log

import pytest
import torch
from measure_toys import probabilities
from scipy.stats import entropy as scipys_entropy
from torch.distributions import Categorical, kl_divergence

from medseg_lab.uncertainty.measures.entropy_split import entropy_split


def test_the_split_by_hand():
    # Voxels: samples certain of different classes; both undecided; certain of one class; 1/4 and 3/4.
    foreground = torch.tensor([[1.0, 0.5, 0.0, 0.25], [0.0, 0.5, 0.0, 0.75]])
    found = entropy_split(torch.stack([1 - foreground, foreground], dim=1))
    quarter = log(4) / 4 + 0.75 * log(4 / 3)
    assert found.total.tolist() == pytest.approx([log(2), log(2), 0, log(2)])
    assert found.expected.tolist() == pytest.approx([0, log(2), 0, quarter])
    assert found.mutual_information.tolist() == pytest.approx([log(2), 0, 0, log(2) - quarter], abs=1e-7)


def test_the_entropies_are_those_of_scipy():
    samples = probabilities((6, 4, 5, 7), axis=1)
    found = entropy_split(samples)
    numbers = samples.double().numpy()
    torch.testing.assert_close(found.total, torch.from_numpy(scipys_entropy(numbers.mean(0), axis=0)).float())
    torch.testing.assert_close(
        found.expected, torch.from_numpy(scipys_entropy(numbers, axis=1).mean(0)).float()
    )


def test_mutual_information_is_the_mean_divergence_of_the_samples_from_their_mean():
    samples = probabilities((8, 3, 4, 4, 4), axis=1)
    each = Categorical(probs=samples.double().movedim(1, -1))
    mean = Categorical(probs=samples.double().mean(dim=0).movedim(0, -1))
    expected = kl_divergence(each, mean).mean(dim=0).float()
    torch.testing.assert_close(entropy_split(samples).mutual_information, expected, rtol=1e-4, atol=1e-6)


def test_samples_that_agree_have_no_mutual_information():
    one = probabilities((1, 5, 40, 40), axis=1)
    found = entropy_split(one.expand(7, -1, -1, -1))
    assert found.mutual_information.min() >= 0
    assert found.mutual_information.max() < 1e-6
    torch.testing.assert_close(found.total, found.expected)
    assert entropy_split(one).mutual_information.abs().max() == 0


def test_it_does_not_depend_on_the_order_of_samples_or_voxels():
    samples = probabilities((5, 3, 30), axis=1)
    found, turned = entropy_split(samples), entropy_split(samples.flip(0, 2))
    for before, after in zip(found, turned, strict=True):
        torch.testing.assert_close(before, after.flip(0))


def test_no_sample_is_refused():
    with pytest.raises(
        ValueError, match=r"samples: expected \(n, K, \*S\) with n of 1 or more, got \(0, 2, 5\)"
    ):
        entropy_split(torch.zeros(0, 2, 5))
