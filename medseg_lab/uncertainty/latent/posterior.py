"""What a latent model segments when it is told a reading: samples of the posterior."""

import torch
from torch import Tensor

from medseg_lab.data.case import Case
from medseg_lab.training.changed import Changed


class Posterior(Changed):
    """A trained latent model that is told a label: its codes are drawn from the posterior.

    If its samples are what the label says, the code carries the reading, and the likelihood reads it. If they
    are those of the prior, whatever the label, it does not (posterior collapse).

    The label comes with the image, as its last channel (`told`), so that an image of several patches, or of
    several slices, is sampled as any other.

    Args:
        learner: a `ProbabilisticUNet` or `PHiSeg`.
    """

    def sample(self, image: Tensor, n: int) -> Tensor:
        """`n` samples `(n, N, K, *S)`, of an image `(N, C + 1, *S)`."""
        found: Tensor = self.learner.sample_posterior(image[:, :-1], image[:, -1].long(), n)
        return found


def told(case: Case, rater: int) -> Case:
    """The case with one rater's reading as the last channel of its image."""
    reading = case.labels[rater].to(case.image.dtype)
    image = torch.cat([case.image, reading[None]])
    return Case(case.id, case.patient, image, case.labels, case.spacing, case.distribution)
