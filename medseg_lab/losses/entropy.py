"""How undecided a prediction is."""

from torch import Tensor


def entropy(probabilities: Tensor) -> Tensor:
    """-sum_k p_k ln p_k of each voxel, in nats: `(N, K, *S)` to `(N, *S)`; 0 to ln K, with 0 ln 0 = 0."""
    return -probabilities.xlogy(probabilities).sum(dim=1)
