"""Simulated raters whose label distribution is known in closed form.

Rater r labels voxel v with the class that maximises log s_k(v) / tau + g_rk(v): s are the soft shares of the
classes, tau the raters' disagreement, and g has the standard Gumbel distribution at every voxel. Whatever the
number of classes, the label is k with probability p*_k(v) = s_k(v)^(1/tau) / sum_j s_j(v)^(1/tau) (the
Gumbel-max theorem; Yellott, J. Math. Psychology 15, 1977). The theorem is about one voxel: g must be
independent between the classes, not between neighbours. So g is made of smooth Gaussian fields, and a rater's
deviations are patches along the borders, as people's are, rather than single voxels.

p* is the raters' distribution given the anatomy. The scan is a noisy image of that anatomy, so no network can
know p* exactly. It is no model of real raters, who look at the scan and share mistakes; ours are independent
of each other and of the scan, given the anatomy.
"""

import numpy as np
import torch
from torch import Tensor

from medseg_lab.data.virtual.fields import unit_field
from medseg_lab.data.virtual.settings import RaterSettings


def distribution(shares: Tensor, settings: RaterSettings) -> Tensor:
    """The probability `(K, *S)` of each class under the raters, of the classes' shares `(K, *S)`.

    Classes less probable than `settings.floor` get exactly 0: in the air, and deep in a tissue, all raters
    agree.
    """
    tempered = (shares.log() / settings.disagreement).softmax(0)
    kept = torch.where(tempered < settings.floor, 0, tempered)
    return kept / kept.sum(0)


def readings(known: Tensor, rng: np.random.Generator, resolution: int, settings: RaterSettings) -> Tensor:
    """Labels `(R, *S)`, uint8, of raters who draw from `known` `(K, *S)`; voxels are `resolution` mm wide.

    With g = -log(-log Phi(z)), the largest log p + g is the smallest -log Phi(z) / p: the first of K
    exponential waiting times with the rates p. A class with p = 0 never comes first.
    """
    likeliest = known.max(0)
    agreed, contested = likeliest.indices.to(torch.uint8), likeliest.values < 1
    rates = known[:, contested]
    # Below half a voxel neighbours are independent anyway.
    scale, style = max(settings.length_mm / resolution, 0.5), settings.style
    labels = []
    for _ in range(settings.number):
        habit = torch.from_numpy(rng.standard_normal((len(known), 1), dtype=np.float32))
        local = unit_field(rng, len(known), tuple(agreed.shape), scale)[:, contested]
        z = np.sqrt(style) * habit + np.sqrt(1 - style) * local
        label = agreed.clone()
        label[contested] = (-torch.special.log_ndtr(z) / rates).min(0).indices.to(torch.uint8)
        labels.append(label)
    return torch.stack(labels)
