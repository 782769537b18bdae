"""The entropy of the mean prediction, split into entropy within samples and disagreement between them."""

from typing import NamedTuple

from torch import Tensor

from medseg_lab.losses.entropy import entropy


class EntropySplit(NamedTuple):
    """Entropies of each voxel, `(*S)`, in nats, from 0 to ln K; total = expected + mutual information.

    Attributes:
        total: entropy of the mean prediction (predictive entropy): the whole uncertainty.
        expected: mean entropy of the samples. Where samples are draws of the weights, it is what would remain
            if the weights were known: the aleatoric part.
        mutual_information: between the label and what was sampled [79]. Where samples are draws of the
            weights, it is the epistemic part. Where each sample is one guess at the label (latent-variable
            models, test-time augmentation), it is aleatoric: the variation of the labels themselves.
    """

    total: Tensor
    expected: Tensor
    mutual_information: Tensor


def entropy_split(samples: Tensor) -> EntropySplit:
    """The entropy of the mean of eq. (11), the mean of the entropies, and their difference (4.1, [26, 79]).

    Entropy is concave, so the difference is never negative; rounding errors are clipped at 0.

    Args:
        samples: `(n, K, *S)`, class probabilities.

    Raises:
        ValueError: without samples.
    """
    if samples.ndim < 3 or not len(samples):
        raise ValueError(f"samples: expected (n, K, *S) with n of 1 or more, got {tuple(samples.shape)}")
    total = entropy(samples.mean(dim=0, keepdim=True))[0]
    expected = entropy(samples).mean(dim=0)
    return EntropySplit(total, expected, (total - expected).clamp(min=0))
