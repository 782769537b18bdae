"""How far class probabilities are apart, in nats."""

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor

from medseg_lab.losses.entropy import entropy


def kullback_leibler(target: Tensor, logits: Tensor) -> Tensor:
    """sum_k q_k (ln q_k - ln p_k) of each voxel, p the softmax of the logits: 0 where they are the same.

    Args:
        target: q, probabilities `(N, K, *S)`.
        logits: `(N, K, *S)`.

    Returns:
        `(N, *S)`, float32.
    """
    return -entropy(target) - (target * logits.float().log_softmax(dim=1)).sum(dim=1)


def jensen_shannon(logits: Sequence[Tensor]) -> Tensor:
    """H(mean of p_i) - mean of H(p_i) of each voxel: `(N, *S)`; 0 where all are the same.

    At most ln M for M predictions, each certain of another class. It is computed as the mean of sum_k p_i
    (ln p_i - ln m), m their mean, from logarithms that stay finite where a probability is 0 in all digits.

    Args:
        logits: of M predictions, `(N, K, *S)` each; p_i is the softmax.
    """
    logs = torch.stack(list(logits)).float().log_softmax(dim=2)  # (M, N, K, *S)
    mean = logs.logsumexp(dim=0) - log(len(logs))
    return (logs.exp() * (logs - mean)).sum(dim=2).mean(dim=0)
