"""Which images to have labelled next: what each measure of uncertainty gives a pixel (survey 5.3) [79]."""

from typing import Literal

from torch import Tensor

from medseg_lab.uncertainty.measures.entropy_split import entropy_split

Uncertain = Literal["entropy", "bald", "variance"]


def uncertainty(samples: Tensor, ask: Uncertain) -> Tensor:
    """How much a voxel is worth asking for, `(*S)`, from several predictions of it.

    "entropy" is that of the mean prediction, in nats: how unsure all predictions are together. "bald" is its
    part that the predictions disagree on, the mutual information between the label and the weights (Bayesian
    active learning by disagreement): a voxel that every prediction holds for even has none, and a label would
    not change that. "variance" is that of each class's probability over the predictions, summed over the
    classes; the paper takes the mean standard deviation.

    Args:
        samples: `(T, K, *S)`, class probabilities.

    Raises:
        ValueError: without samples.
    """
    if ask == "variance":
        return samples.var(dim=0, correction=0).sum(dim=0)
    split = entropy_split(samples)
    return split.total if ask == "entropy" else split.mutual_information
