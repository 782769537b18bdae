"""Samples of the posterior, of whole cases."""

import pytest
import torch
from latent_toys import apart, seeded
from toys import noise_batch, tiny_cohort

from medseg_lab.evaluation.sampling import drawn
from medseg_lab.uncertainty.latent.phiseg import PHiSeg
from medseg_lab.uncertainty.latent.posterior import Posterior, told
from medseg_lab.uncertainty.latent.probabilistic_unet import ProbabilisticUNet

both = pytest.mark.parametrize("method", [ProbabilisticUNet, PHiSeg])


def same(method, *arguments):
    torch.manual_seed(3)
    with torch.no_grad():
        return method(*arguments, 3)


@both
def test_codes_are_those_of_the_posterior_of_the_label(method):
    """They go with the label, and the prior has no part in them."""
    learner, seen = apart(seeded(method)), noise_batch()
    first = same(learner.sample_posterior, seen.image, seen.label)
    assert first.shape == (3, 2, 3, 16, 12)
    other = same(learner.sample_posterior, seen.image, (seen.label + 1) % 3)
    assert not torch.equal(first, other)
    assert not torch.equal(first, same(learner.sample, seen.image))
    for parameter in learner.prior.parameters():
        parameter.data.fill_(torch.nan)
    assert torch.equal(first, same(learner.sample_posterior, seen.image, seen.label))


@both
def test_a_volume_is_told_slice_by_slice(method):
    cohort = tiny_cohort(3, 3, raters=2, shape=(20, 18, 4), patch=32)
    learner = apart(seeded(method))
    learner.patch = (16, 16)
    case = cohort.validation[0]
    cases = [told(case, 0), told(case, 1)]
    first, second = drawn(Posterior(learner=learner), cohort, cases, 2, seed=0)
    assert first.case.image.shape[0] == case.image.shape[0] + 1
    assert first.samples.shape[:2] == (2, 3)
    assert not torch.equal(first.samples, second.samples)
