"""Deep ensembles [26] (section 4.1.1, eq. (11), figure 18)."""

from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from medseg_lab.data.batch import Batch
from medseg_lab.training.learner import Phase
from medseg_lab.uncertainty.sampled import Sampled


class DeepEnsemble(Sampled):
    """Networks that differ in their initial weights alone, each trained for itself; p = 1/M sum_m p_m.

    Each member is a phase of its own, with its own optimiser and its own clipping, so its training is that of
    the single network. All see the same batches. An ensemble of one is the supervised twin, bit for bit.

    Args:
        members: M. Four of them share sixteen samples evenly.
    """

    members: Annotated[int, Field(ge=1)] = 4

    def build(self) -> None:
        """The members, as the modules of `network`."""
        super().build()
        others = [self.new_network() for _ in range(self.members - 1)]
        self.network = nn.ModuleList([self.network, *others])
        self.draws = self.members

    def phases(self) -> list[Phase]:
        """One for each member."""
        return [
            Phase(f"member {m}", member.parameters(), partial(self.member_losses, m))
            for m, member in enumerate(self.network)
        ]

    def member_losses(self, member: int, batch: Batch, step: int) -> dict[str, Tensor]:
        """The loss of one member."""
        return {self.loss_name: self.loss(self.network[member](batch.image), batch.label)}

    def sample(self, image: Tensor, n: int) -> Tensor:
        """The members in turn: sample i is that of member i mod M."""
        # One after the other: stacked (`torch.func`), their convolutions become grouped ones, which take
        # longer on a processor (`benchmarks/sampling.py`).
        found = torch.stack([member(image).float().softmax(dim=1) for member in self.network[:n]])
        return found[torch.arange(n) % len(found)]
