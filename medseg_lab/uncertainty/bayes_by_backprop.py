"""Bayes by backprop [84], with local reparameterisation [85] (section 4.1.2, eqs. (12)-(15))."""

from collections.abc import Sequence
from math import prod
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from medseg_lab.data.batch import Batch
from medseg_lab.uncertainty.bayes_conv import bayes_convs, bayesian
from medseg_lab.uncertainty.sampled import Sampled


class BayesByBackprop(Sampled):
    """A Gaussian over each weight of the convolutions, fitted to the posterior P(w | D) of eq. (14).

    Eq. (15), D_KL[q(w | theta) || P(w | D)], is up to a constant the difference of two terms,
    D_KL[q(w | theta) || P(w)] and E_q[log P(D | w)]. Here both are divided by the number of voxels that the
    training cases have, so that the second is the mean cross-entropy, estimated from one draw and one batch
    in each step, and the first, in closed form, is weighed against all data rather than against a batch.

    Departures from [84]: its prior is a mixture of two Gaussians, and its KL is estimated from the draw; here
    the prior is N(0, prior_std^2) and the KL exact. Biases and norms have no posterior. There is no weight
    decay, which would act on rho as well and draw every sigma to log 2: the prior is what decays the weights.

    Args:
        network: all its convolutions become Bayesian.
        local: whether training draws the outputs of each convolution [85] rather than its weights [84]. Test
            time draws weights either way.
        prior_std: of each weight.
        initial_std: sigma of each weight at the start.
        weight: of the KL. 1 is the evidence bound for voxels that are independent given the weights. Those of
            one image are not, so the data counts for more than it should, and a weight above 1 mends that;
            one below 1 (a "cold" posterior) is common where the data is to outweigh the prior.

    Raises:
        ValueError: for a network without convolutions.
    """

    weight_decay: float = 0.0
    local: bool = True
    prior_std: Annotated[float, Field(gt=0)] = 0.1
    initial_std: Annotated[float, Field(gt=0)] = 0.01
    weight: Annotated[float, Field(ge=0)] = 1.0

    def build(self) -> None:
        """The network, its convolutions made Bayesian."""
        super().build()
        self.network = bayesian(self.network, self.initial_std, self.local)
        self.voxels = 0

    def prepare(
        self, steps: int, unlabelled: Sequence[tuple[int, ...]], labelled: Sequence[tuple[int, ...]] = ()
    ) -> None:
        """Note how many labelled voxels there are: the size of the data in eq. (15)."""
        super().prepare(steps, unlabelled, labelled)
        self.voxels = sum(prod(shape) for shape in labelled)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Both terms of eq. (15), per voxel of the training cases.

        Raises:
            ValueError: before `prepare` was told of labelled cases.
        """
        if not self.voxels:
            raise ValueError("BayesByBackprop: expected `prepare` to be told the labelled cases, got none")
        logits = self.network(batch.image)
        return {
            self.loss_name: self.loss(logits, batch.label),
            "kl": self.weight * self.kl() / self.voxels,
        }

    def kl(self) -> Tensor:
        """D_KL[q(w | theta) || P(w)] of all convolutions, in nats."""
        return torch.stack([layer.kl(self.prior_std) for layer in bayes_convs(self.network)]).sum()

    def sample(self, image: Tensor, n: int) -> Tensor:
        """`n` draws of the weights, eq. (13): each is one network, which sees all patches."""
        return torch.stack([self.network(image).float().softmax(dim=1) for _ in range(n)])
