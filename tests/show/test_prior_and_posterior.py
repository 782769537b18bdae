"""Rows of samples: the prior's, and each rater's posterior."""

import torch
from toys import SMALL, tiny_cohort

from medseg_lab.show.prior_and_posterior import prior_and_posterior, show_prior_and_posterior
from medseg_lab.uncertainty.latent.probabilistic_unet import ProbabilisticUNet
from tests.show.legible import assert_legible

COHORT = tiny_cohort(2, 3, raters=2, shape=(32, 32), patch=32)


def learner() -> ProbabilisticUNet:
    """Untrained, but with a posterior that goes with the label."""
    torch.manual_seed(0)
    found = ProbabilisticUNet(COHORT.task, network=SMALL).eval()
    found.posterior.to_gaussian.conv.weight.data.mul_(100)
    found.patch = (32, 32)
    return found


def test_a_row_is_told_its_own_raters_reading():
    case, model = COHORT.validation[0], learner()
    rows = prior_and_posterior(model, COHORT, case, 3)
    assert list(rows) == ["prior", "posterior of rater 1", "posterior of rater 2"]
    torch.manual_seed(0)
    seed = int(torch.randint(2**31, ()))  # as `sample_case` does
    for rater, name in enumerate(list(rows)[1:]):
        torch.manual_seed(seed)
        with torch.no_grad():
            wanted = model.sample_posterior(case.image[None], case.labels[rater][None].long(), 3)[:, 0]
        torch.testing.assert_close(rows[name].samples, wanted)
    assert all(one.case is rows["prior"].case for one in rows.values())


def test_the_figure_has_a_row_for_the_readings_the_prior_and_each_posterior():
    fig = show_prior_and_posterior(learner(), COHORT, COHORT.validation[0], n=3)
    assert_legible(fig)
    said = fig.get_label()
    assert "Prior: " in said
    assert "Posterior of rater 2: " in said
