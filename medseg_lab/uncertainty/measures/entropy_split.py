"""What the samples are unsure of, split in two: entropy within them, and disagreement between them."""

from typing import NamedTuple

from torch import Tensor

from medseg_lab.losses.entropy import entropy


class EntropySplit(NamedTuple):
    """Entropies of each voxel, `(*S)`, in nats, from 0 to ln K; total = expected + mutual information.

    Attributes:
        total: H of the mean prediction (predictive entropy): all that is uncertain.
        expected: the mean H of the samples; where samples are draws of the weights, what stays if these were
            known: the aleatoric part.
        mutual_information: between the label and what was sampled [79]; draws of the weights make it the
            epistemic part. Where one sample is one guess at the label (latent-variable models, test-time
            transformations) it is no such thing: then the spread of the samples is the labels' own.
    """

    total: Tensor
    expected: Tensor
    mutual_information: Tensor


def entropy_split(samples: Tensor) -> EntropySplit:
    """The entropy of eq. (11)'s mean as the mean of the entropies and their gap (section 4.1, [26, 79]).

    The entropy is concave, so the gap is never negative; rounding may make it so, and is cut off at 0.

    Args:
        samples: `(n, K, *S)`, class probabilities.

    Raises:
        ValueError: for no sample.
    """
    if samples.ndim < 3 or not len(samples):
        raise ValueError(f"samples: got shape {tuple(samples.shape)}, wanted (n, K, *S) with n of 1 or more")
    total = entropy(samples.mean(dim=0, keepdim=True))[0]
    expected = entropy(samples).mean(dim=0)
    return EntropySplit(total, expected, (total - expected).clamp(min=0))
