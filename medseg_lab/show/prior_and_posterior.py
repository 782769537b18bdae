"""Whether a latent model's code carries a reading: samples of the prior, and of each rater's posterior."""

from dataclasses import replace
from typing import TYPE_CHECKING

from medseg_lab.data.case import Case
from medseg_lab.evaluation.sampling import Drawn, drawn
from medseg_lab.show.samples import show_samples
from medseg_lab.training.segmenter import Segmenter
from medseg_lab.uncertainty.latent.posterior import Posterior, told

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from medseg_lab.data.cohort import Cohort


def show_prior_and_posterior(
    learner: Segmenter, cohort: "Cohort", case: Case, n: int = 6, seed: int = 0
) -> "Figure":
    """The readings of a case, samples of the prior below, and below these a row for each rater's posterior.

    Where the code is read, a row of the posterior looks like its rater's reading, and the rows differ. The
    prior, which sees the image alone, should have something of each of them.

    Args:
        learner: a trained `ProbabilisticUNet` or `PHiSeg`.
        cohort: of the case.
        case: with readings.
        n: samples of each.
        seed: of the draws, the same for all rows.
    """
    rows = prior_and_posterior(learner, cohort, case, n, seed)
    return show_samples(rows, cohort.task, columns=n, slice_axis=cohort.card.preprocessing.slice_axis)


def prior_and_posterior(
    learner: Segmenter, cohort: "Cohort", case: Case, n: int, seed: int = 0
) -> dict[str, Drawn]:
    """Samples by where their codes come from: "prior", "posterior of rater 1", ..."""
    (prior,) = drawn(learner, cohort, [case], n, seed)
    found = {"prior": prior}
    for rater in range(len(case.labels)):
        (one,) = drawn(Posterior(learner=learner), cohort, [told(case, rater)], n, seed)
        found[f"posterior of rater {rater + 1}"] = replace(one, case=prior.case)
    return found
