"""Deep ensembles [26] (section 4.1.1, eq. (11), figure 18)."""

from functools import partial

import torch
from torch import Tensor, nn

from medseg_lab.data.batch import Batch
from medseg_lab.data.reading import Reading
from medseg_lab.data.task import Task
from medseg_lab.losses.cross_entropy import cross_entropy
from medseg_lab.training.learner import Phase
from medseg_lab.training.recipe import Recipe
from medseg_lab.uncertainty.sampled import Sampled


class DeepEnsemble(Sampled):
    """Networks that differ in their initial weights alone, each trained for itself; p = 1/M sum_m p_m.

    Each member is a phase of its own, with its own optimiser and its own clipping, so its training is that of
    the single network. All see the same batches. An ensemble of one is the supervised twin, bit for bit.

    Args:
        task, network, reading, learning_rate, spatial_dims: as in `Sampled`.
        members: M. Four of them share sixteen samples evenly.

    Raises:
        ValueError: for no member.
    """

    network: nn.ModuleList

    def __init__(
        self,
        task: Task,
        network: Recipe,
        members: int = 4,
        reading: Reading = "random",
        learning_rate: float = 4e-3,
        spatial_dims: int | None = None,
    ) -> None:
        if members < 1:
            raise ValueError(f"members: got {members}, wanted 1 or more")
        super().__init__(task, network, 1, reading, learning_rate, spatial_dims)
        others = [self.built(network) for _ in range(members - 1)]
        self.network = nn.ModuleList([self.network, *others])
        self.draws = members

    def phases(self) -> list[Phase]:
        """One a member."""
        return [
            Phase(f"member {m}", member.parameters(), partial(self.member_losses, m))
            for m, member in enumerate(self.network)
        ]

    def member_losses(self, member: int, batch: Batch, step: int) -> dict[str, Tensor]:
        """The cross-entropy of one member."""
        return {"cross_entropy": cross_entropy(self.network[member](batch.image), batch.label)}

    def sample(self, image: Tensor, n: int) -> Tensor:
        """The members in turn: sample i is that of member i mod M."""
        # One after the other: stacked (`torch.func`), their convolutions become grouped ones, which take
        # longer on a processor (`benchmarks/sampling.py`).
        found = torch.stack([member(image).float().softmax(dim=1) for member in self.network[:n]])
        return found[torch.arange(n) % len(found)]
