"""An ensemble of trained learners of several kinds (survey 2.3.3) [46, 55]."""

import torch
from torch import Tensor, nn

from medseg_lab.data.task import Task
from medseg_lab.training.segmenter import Segmenter


class ModelEnsemble(Segmenter):
    """The mean of the class probabilities of learners that were trained each for itself.

    A recipe has theirs: `ModelEnsemble(learners=[Supervised(network=UNet()), Supervised(network=VNet())])`.
    Its run lists the runs of its members. Probabilities are averaged patch by patch, so a member's own
    case-level step (`finish`) is not applied; wrap the ensemble instead.

    Args:
        learners: two or more, of one task.

    Raises:
        ValueError: for fewer than two, one twice, or learners whose patches differ in dimension or classes.
    """

    learners: list[Segmenter]

    def build(self) -> None:
        """Take over what the members share."""
        members = list(self.learners)
        if len(members) < 2:
            raise ValueError(f"ModelEnsemble: learners: expected two or more, got {len(members)}")
        if others := {member.task for member in members} - {members[0].task}:
            task: Task = others.pop()
            raise ValueError(f"ModelEnsemble: learners: expected all to have {members[0].task}, got {task}")
        self.task, self.patch, self.precision = members[0].task, members[0].patch, members[0].precision
        self.learners = nn.ModuleList(members)  # type: ignore[assignment]
        self.eval()

    def predict(self, image: Tensor) -> Tensor:
        """The mean over the members, `(N, K, *S)`, eq. (11)."""
        return self.sample(image, len(self.learners)).mean(dim=0)

    def sample(self, image: Tensor, n: int) -> Tensor:
        """The members in turn, `(n, N, K, *S)`: sample i is that of member i mod M."""
        found = torch.stack([member.predict(image) for member in self.learners[:n]])
        return found[torch.arange(n) % len(found)]

    def take_reference(self, reference: Tensor) -> None:
        """Pass it on to every member."""
        for member in self.learners:
            member.take_reference(reference)

    def train(self, mode: bool = True) -> "ModelEnsemble":
        """Stay in evaluation mode."""
        return super().train(False)
